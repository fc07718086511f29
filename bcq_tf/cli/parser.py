"""`Parser`, and the arguments that several commands have."""

from __future__ import annotations

import argparse

PRECISIONS = ("exact", "fast")  # as in `bcq_tf.ops.binary`, which imports TensorFlow


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, and whose texts keep their lines."""

    def __init__(self, **kwargs):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs
        )

    def error(self, message: str):
        """Exits with code 2."""
        self.exit(2, f"error: {message}; `{self.prog} --help` shows the arguments\n")


def add_import(parser: argparse.ArgumentParser) -> None:
    """`--import`, of every command that makes Keras models."""
    parser.add_argument(
        "--import",
        dest="modules",
        metavar="MODULE",
        action="append",
        default=[],
        help="module to import first, which registers classes of the model; may be repeated",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """`--precision`, of every command that runs a packed model."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="exact",
        help="of products: exact, or fast with inputs rounded to 8 bits (%(default)s)",
    )


def positive(text: str) -> int:
    """The type of an argument that must be a positive integer."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a positive integer. Received: {text}")
    return int(text)


def positives(text: str) -> list[int]:
    """The type of an argument that must be positive integers with commas between them."""
    return [positive(part) for part in text.split(",")]
