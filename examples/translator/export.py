"""Writes a quantized translator as one file that runs without TensorFlow.

The file has the codes, the vocabularies, and decoding as a graph: "greedy" and "beam" take token
ids of sentences and give those of translations.
"""

import argparse

import bcq_tf
from bcq_tf.cli.start import starting

with starting():
    import tensorflow as tf

    from examples.translator.translate import VOCABULARIES
    from transformer import evaluation, script
    from transformer.beam_search import beam_search
    from transformer.decoding import greedy_decode
    from transformer.errors import UserError
    from translate import load_quantized

EXAMPLES = """examples:
  python -m examples.translator.export runs/demo-2bit/model.bcq.npy translator.bcq.npy
  python -m examples.translator.translate translator.bcq.npy "Eu gosto de livros."
"""


def parse_arguments(arguments=None) -> argparse.Namespace:
    parser = script.Parser(__doc__, EXAMPLES)
    parser.add_argument("file", help="a .bcq.npy file that quantize.py wrote, in its folder")
    parser.add_argument("output", help="the file to write; its name ends with .bcq.npy")
    parser.add_argument("--beam-size", type=int, default=4, help="of beam search (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    evaluation.check_beam_size(options.beam_size)
    run = load_quantized(options.file)
    vocabularies = run.vocabularies.source, run.vocabularies.target
    signature = [tf.TensorSpec([None, None], tf.int32, "source")]
    functions = {
        "greedy": lambda source: greedy_decode(run.model, source),
        "beam": lambda source: beam_search(run.model, source, options.beam_size),
    }
    assets = [vocabulary.model_bytes for vocabulary in vocabularies]
    try:
        nbytes = bcq_tf.export_runtime(
            run.model,
            options.output,
            functions={name: (function, signature) for name, function in functions.items()},
            assets=dict(zip(VOCABULARIES, assets, strict=True)),
        )
    except (OSError, ValueError) as error:
        raise UserError(error) from None
    print(f"{options.output}: {nbytes / 1e6:.2f} MB, vocabularies included")


if __name__ == "__main__":
    script.run(main)
