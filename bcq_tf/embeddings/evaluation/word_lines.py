"""Lines of words in test sets."""

from __future__ import annotations

import os


def read_lines(path) -> list[tuple[int, list[str]]]:
    """The numbers and fields of a UTF-8 file's lines, empty ones left out.

    Raises:
        ValueError: it is no UTF-8.
        OSError: it cannot be read.
    """
    path = os.fsdecode(path)
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except UnicodeDecodeError as error:
        raise ValueError(f"'{path}' is no UTF-8 ({error.reason})") from None
    return [(number, fields) for number, fields in enumerate(lines, 1) if fields]


def line_error(path, number: int, message: str) -> ValueError:
    """The error of a line."""
    return ValueError(f"'{os.fsdecode(path)}', line {number}: {message}")
