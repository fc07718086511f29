"""Lines of words in test sets."""

from __future__ import annotations

import codecs
import os


def read_lines(path) -> list[tuple[int, list[str]]]:
    """The numbers and fields of a UTF-8 file's lines, empty ones left out.

    Raises:
        ValueError: a line is no UTF-8.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        lines = file.read().removeprefix(codecs.BOM_UTF8).splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            fields = line.decode("utf-8").split()
        except UnicodeDecodeError as error:
            raise line_error(path, number, f"it is no UTF-8 ({error.reason})") from None
        if fields:
            found.append((number, fields))
    return found


def line_error(path, number: int, message: str) -> ValueError:
    """The error of a line."""
    return ValueError(f"'{os.fsdecode(path)}', line {number}: {message}")
