"""How the library's tables look."""

from __future__ import annotations

import io

_TEXT_COLUMNS = ("weight", "reason")
_UNLIMITED = 10_000  # columns; a path is never cut


def table(title: str, *columns: str):
    """An empty `rich` table; columns of numbers stand right."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(
            column, justify="left" if column in _TEXT_COLUMNS else "right", no_wrap=True
        )
    return made


def times(shape: tuple[int, ...]) -> str:
    """A shape for people: "3 x 4"."""
    return " x ".join(map(str, shape)) if shape else "scalar"


def as_text(renderable) -> str:
    """What `rich` would print, without colours, as wide as it is."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=_UNLIMITED, soft_wrap=True).print(renderable)
    return text.getvalue()
