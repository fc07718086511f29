"""How results are listed for people: in rows and columns, as text."""

from __future__ import annotations

import io
from collections.abc import Iterable

_TEXT_COLUMNS = ("weight", "reason", "tensor", "output", "layer", "method", "size", "word")
_UNLIMITED = 10_000  # columns; a path is never cut


def listing(title: str, *columns: str, rows: Iterable[tuple[str, ...]] = ()):
    """Rows under a title, with a name for each column, for `rich`; numbers stand right."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(
            column, justify="left" if column in _TEXT_COLUMNS else "right", no_wrap=True
        )
    for row in rows:
        made.add_row(*row)
    return made


def float_listing(title: str, lines):
    """Weights that stay float: each has `path`, `shape`, `nbytes` and `reason`."""
    rows = ((line.path, times(line.shape), f"{line.nbytes:,}", line.reason) for line in lines)
    return listing(title, "weight", "shape", "bytes", "reason", rows=rows)


def times(shape: tuple[int, ...]) -> str:
    """A shape for people: "3 x 4"."""
    return " x ".join(map(str, shape)) if shape else "scalar"


def as_text(*renderables) -> str:
    """What `rich` would print, without colours, as wide as it is.

    Strings in it are shown as they are, and what would control a terminal is replaced: they may
    come from a file.
    """
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text, width=_UNLIMITED, soft_wrap=True, color_system=None, markup=False, emoji=False
    )
    for renderable in renderables:
        console.print(renderable)
    return printable(text.getvalue())


def printable(text: str) -> str:
    """The text with what is neither printable nor a line's end replaced."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
