"""Paths as callers give them."""

from __future__ import annotations

import os


def as_path(name: str, path) -> str:
    """`path`, a string, bytes or path object, as a string.

    Raises:
        TypeError: it is none of these; the error calls it `name`.
    """
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"`{name}` must be a path. Received: {type(path).__name__}") from None
