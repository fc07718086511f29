"""The kinds of codes that there are, by name: what files hold and what stands for a matrix."""

from __future__ import annotations

from typing import Any

from bcq_tf.codes.coded_matrix import CodedMatrix

KINDS: dict[str, type[CodedMatrix]] = {}
"""By their `KIND`."""


def register(cls: type[CodedMatrix]) -> type[CodedMatrix]:
    """Makes a class a kind of codes: files hold it, tables of words may be it."""
    KINDS[cls.KIND] = cls
    return cls


def is_codes(value) -> bool:
    """Whether a value is codes of a registered kind."""
    return isinstance(value, CodedMatrix) and value.KIND in KINDS


def not_codes(value: Any, where: str = "") -> TypeError:
    """The error of a value that is no codes. where: the end of its message."""
    *others, last = [cls.__name__ for cls in KINDS.values()]
    return TypeError(
        f"`codes` must be {', '.join(others)} or {last}. Received: {type(value).__name__}{where}"
    )
