"""Translates sentences with a quantized model."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import bcq_tf
from transformer import checkpoint, evaluation, script
from transformer.errors import UserError

EXAMPLES = """examples:
  python translate.py runs/demo-3bit/model.bcq.npy "Eu gosto de livros."
  python translate.py runs/demo-3bit/model.bcq.npy --beam-size 4 < sentences.txt
      one translation a line, in the order of the sentences
"""


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", help="a .bcq.npy file that quantize.py wrote, in its folder")
    parser.add_argument("sentences", nargs="*", help="sentences (lines of standard input)")
    parser.add_argument("--beam-size", type=int, default=1, help="1 is greedy (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    run = load_quantized(options.file)
    translator = evaluation.Translator(run.model, run.vocabularies, options.beam_size)
    sentences = options.sentences or [line.rstrip("\n") for line in sys.stdin]
    for translation in translator(sentences):
        print(translation)


def load_quantized(path):
    """The run beside a `.bcq.npy` file, its model holding the weights of the file."""
    run = checkpoint.load_run(Path(path).parent, weights=None)
    try:
        bcq_tf.load_weights(run.model, path)
    except (OSError, ValueError) as error:
        raise UserError(error) from None
    return run


if __name__ == "__main__":
    script.run(main)
