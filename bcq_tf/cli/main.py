"""The command line, `python -m bcq_tf COMMAND`: each command is a module of this package.

A command imports TensorFlow when it runs, and only where it needs it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys

from bcq_tf import __version__
from bcq_tf.cli import bench, compare, convert, embed, inspect, plot, quantize, sensitivity
from bcq_tf.cli.command import Command, Group
from bcq_tf.cli.errors import UserError
from bcq_tf.cli.start import INTERRUPTED
from bcq_tf.reports.listing import as_text

COMMANDS: tuple[Command | Group, ...] = (
    inspect.COMMAND,
    quantize.COMMAND,
    sensitivity.COMMAND,
    compare.COMMAND,
    convert.COMMAND,
    plot.COMMAND,
    bench.COMMAND,
    embed.COMMAND,
)
BAD_INPUT = 2
RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and prints what it returns.

    Args:
        arguments: the words after `python -m bcq_tf`; None for those of this process.

    Returns:
        The exit code: 0, 2 after one line on stderr where the input is at fault, 130 at Ctrl-C.

    Raises:
        SystemExit: the arguments are wrong (code 2, one line), or asked for help (code 0).
    """
    options = make_parser().parse_args(arguments)
    try:
        result = options.command.run(options)
        show(as_json(result.data) if options.json else as_text(*result.shown))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    return 0


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, and whose texts keep their lines."""

    def __init__(self, **kwargs):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs
        )

    def error(self, message: str):
        """Exits with code 2."""
        self.exit(BAD_INPUT, f"error: {message}; `{self.prog} --help` shows the arguments\n")


def make_parser() -> Parser:
    """The parser of all commands; the one chosen is `options.command`."""
    parser = Parser(
        prog="python -m bcq_tf", description="Binary-code quantization of Keras models."
    )
    parser.add_argument("--version", action="version", version=f"bcq_tf {__version__}")
    _add(parser, COMMANDS)
    return parser


def _add(parser: Parser, commands: tuple[Command | Group, ...]) -> None:
    inside = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        made = inside.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=f"examples:\n{command.examples}",
        )
        if isinstance(command, Group):
            _add(made, command.commands)
            continue
        command.add_arguments(made)
        made.add_argument("--json", action="store_true", help="print JSON, for machines")
        made.set_defaults(command=command)


def show(text: str) -> None:
    """Prints `text`; whoever reads it may stop before its end, as `head` does.

    Characters that the encoding of standard output lacks are written as `\\xe9` or `\\u65e5`, the
    rules of listings as `-`.
    """
    encoding = sys.stdout.encoding or "utf-8"
    if not RULE.encode(encoding, "ignore"):
        text = text.replace(RULE, "-")
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text.rstrip("\n"), flush=True)
    except BrokenPipeError:
        # Python flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_json(value) -> str:
    """JSON text of a result; numbers that JSON does not have are null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
