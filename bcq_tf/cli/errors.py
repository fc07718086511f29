"""`UserError`: the one error of the command line whose message is meant for its user."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from bcq_tf.reports.listing import printable

_LONGEST = 500
_BOLD = re.compile(r"\x1b\[[0-9;]*m")
# What TensorFlow says of an operation that failed: where the graph has it from, frame by frame,
# then the reason, and the name of the operation.
_FRAMES = re.compile(r"\s*Graph execution error:.*^  File [^\n]*\n", re.DOTALL | re.MULTILINE)
_NODE = re.compile(r"\s*\[\[\{\{node (.*?)\}\}\]\](\s*\[Op:\w*\])?")


class UserError(ValueError):
    """Something that the user gave is missing, damaged or wrong. One line names the thing.

    The command line prints the message and exits with code 2; any other exception is a fault of the
    program and shows its traceback.
    """


@contextlib.contextmanager
def blaming_input(
    what: str = "", errors: tuple[type[Exception], ...] = (ValueError, TypeError, OSError)
) -> Iterator[None]:
    """Makes `errors` of this context, which come from what the user gave, a `UserError`.

    Args:
        what: put before the message, with a colon.
        errors: what is caught: by default the errors that the library raises for bad input.
    """
    try:
        yield
    except UserError:
        raise
    except errors as error:
        raise UserError(f"{what}: {one_line(error)}" if what else one_line(error)) from error


def one_line(error: Exception) -> str:
    """The message of an error on one line of bounded length."""
    if isinstance(error, OSError) and error.strerror:
        named = f": '{error.filename}'" if error.filename is not None else ""
        text = f"{error.strerror}{named}"
    else:
        text = _reason(str(error)) or type(error).__name__
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _reason(text: str) -> str:
    # The part of a framework's message that is about the input.
    text = _NODE.sub(r" (\1)", _FRAMES.sub("", _BOLD.sub("", text), 1))
    return text.strip()
