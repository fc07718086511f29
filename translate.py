"""Translates sentences with a quantized model, which computes from its codes."""

import argparse
import sys
from pathlib import Path

import bcq_tf
from bcq_tf.cli.start import starting

with starting():
    from transformer import checkpoint, corpus, evaluation, script
    from transformer.errors import UserError

EXAMPLES = """examples:
  python translate.py runs/demo-3bit/model.bcq.npy "Eu gosto de livros." "Sou eu."
  python translate.py runs/demo-3bit/model.bcq.npy --beam-size 4 < sentences.txt
      one translation a line, in the order of the sentences
  python translate.py runs/demo-3bit/model.bcq.npy --test --precision fast
      the BLEU score of the test set, inputs of products rounded to 8 bits
"""


def parse_arguments(arguments=None):
    parser = script.Parser(__doc__, EXAMPLES)
    add = parser.add_argument
    add("file", help="a .bcq.npy file that quantize.py wrote, in its folder")
    add("sentences", nargs="*", help="sentences (lines of standard input)")
    add("--beam-size", type=int, default=1, help="1 is greedy (%(default)s)")
    add(
        "--precision",
        choices=["exact", "fast"],
        default="exact",
        help="of products: as float32, or with inputs rounded to 8 bits (%(default)s)",
    )
    add(
        "--packed",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compute from the codes, or with --no-packed from float weights of their value",
    )
    add("--test", action="store_true", help="score the run's test set instead")
    return parser.parse_intermixed_args(arguments)  # options may stand before the sentences


def main(arguments=None):
    options = parse_arguments(arguments)
    evaluation.check_beam_size(options.beam_size)
    run = load_quantized(options.file, options.packed, options.precision)
    if options.test:
        pairs = corpus.load_corpus(run.data, run.languages).test
        print(evaluation.evaluate(run.model, run.vocabularies, pairs, options.beam_size))
        return
    translator = evaluation.Translator(run.model, run.vocabularies, options.beam_size)
    for translation in translator(options.sentences or read_lines(sys.stdin)):
        print(translation)


def read_lines(file):
    """The lines of a text file, without their ends."""
    try:
        return [line.rstrip("\n") for line in file]
    except UnicodeDecodeError as error:
        raise UserError(f"sentences must be {error.encoding} text: {error.reason}") from None


def load_quantized(path, packed=True, precision="exact"):
    """The run beside a `.bcq.npy` file, its model made from the file."""
    packing = {"precision": precision} if packed else {}
    try:
        model = bcq_tf.load_model(path, packed=packed, **packing)
    except (OSError, ValueError) as error:
        raise UserError(error) from None
    return checkpoint.load_run(Path(path).parent, weights=None, model=model)


if __name__ == "__main__":
    script.run(main)
