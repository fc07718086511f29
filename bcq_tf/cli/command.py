"""`Command`: what the command line knows of a command; arguments that several have."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

PRECISIONS = ("exact", "fast")  # as in `bcq_tf.ops.binary`, which imports TensorFlow


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command found."""

    data: dict  # for machines: JSON-able, but that NaN and Inf become null
    shown: list  # for people: lines, and what `rich` shows


@dataclasses.dataclass(frozen=True)
class Command:
    """A command. `run` raises `UserError` where arguments or files that they name are at fault."""

    name: str  # the word that calls it
    summary: str  # a phrase for the list of commands
    description: str  # what it does, above the list of its arguments
    examples: str  # lines of commands, with lines below them that say what they do
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


@dataclasses.dataclass(frozen=True)
class Group:
    """A command that is nothing but commands of its own: `python -m bcq_tf GROUP COMMAND`."""

    name: str
    summary: str
    description: str
    examples: str
    commands: tuple[Command, ...]


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
