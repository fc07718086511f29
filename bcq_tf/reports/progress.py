"""How far a long piece of work is, for people, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(text: str, total: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Shows a bar where stderr is a terminal, and otherwise one line.

    Args:
        text: what is being done.
        total: how much there is to do.
        shown: False shows nothing.

    Yields:
        A function to call with how much of it is done.
    """
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        print(text, file=sys.stderr, flush=True)
        yield lambda done: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(escape(text), total=total)
        yield lambda done: bar.update(task, completed=done)
