"""The kinds of codes that there are, by name: what files hold and what stands for a matrix."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, type] = {}
"""Subclasses of `CodedMatrix` by their `KIND`."""


def register(cls: type) -> type:
    """Makes a subclass of `CodedMatrix` a kind of codes: files hold it, tables of words are it."""
    KINDS[cls.KIND] = cls
    return cls


def is_codes(value) -> bool:
    """Whether a value is codes of a registered kind."""
    return isinstance(value, tuple(KINDS.values()))


def not_codes(value: Any, where: str = "") -> TypeError:
    """The error of a value that is no codes. where: the end of its message."""
    *others, last = [cls.__name__ for cls in KINDS.values()]
    return TypeError(
        f"`codes` must be {', '.join(others)} or {last}. Received: {type(value).__name__}{where}"
    )
