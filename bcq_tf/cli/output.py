"""How a command's result is written to standard output."""

from __future__ import annotations

import json
import math
import os
import sys

RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"


def show(text: str) -> None:
    """Prints `text`; whoever reads it may stop before its end, as `head` does.

    Characters that the encoding of standard output lacks are written as `\\xe9` or `\\u65e5`, the
    rules of tables as `-`.
    """
    try:
        print(_encodable(text.rstrip("\n"), sys.stdout.encoding or "utf-8"), flush=True)
    except BrokenPipeError:
        # Python flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_json(value) -> str:
    """JSON text of a result; numbers that JSON does not have are null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _encodable(text: str, encoding: str) -> str:
    if not RULE.encode(encoding, "ignore"):
        text = text.replace(RULE, "-")
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
