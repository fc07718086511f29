"""`Command`: what the command line knows of each of its commands."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Protocol


class Result(Protocol):
    """What a command returns: `str(result)` is for people, `to_dict()` for machines."""

    def __str__(self) -> str: ...

    def to_dict(self) -> dict:
        """JSON-able data; NaN and Inf become null."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Args:
        name: the word that calls it.
        summary: a phrase for the list of commands.
        description: what it does, above the list of its arguments.
        examples: lines of commands, with lines below them that say what they do.
        add_arguments: gives a parser the command's arguments.
        run: does the work, with the parsed arguments; raises `UserError` where they, or the files
            that they name, are at fault.
    """

    name: str
    summary: str
    description: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


@dataclasses.dataclass(frozen=True)
class Group:
    """A command that is nothing but commands of its own: `python -m bcq_tf GROUP COMMAND`.

    Args:
        name, summary, description, examples: see `Command`.
        commands: its commands.
    """

    name: str
    summary: str
    description: str
    examples: str
    commands: tuple[Command, ...]
