"""How a command's result is written to standard output."""

from __future__ import annotations

import json
import math
import os
import sys


def show(text: str) -> None:
    """Prints `text`; whoever reads it may stop before its end, as `head` does."""
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
