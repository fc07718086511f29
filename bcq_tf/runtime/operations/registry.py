"""The operations of a graph by name, and what each takes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable

OPERATIONS: dict[str, Operation] = {}


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation: a function of arrays.

    Args:
        run: (*inputs, **attributes) -> an array, or a tuple of them.
        least, most: numbers of inputs; `most` None: any.
        attributes: their types by name, each of `int`, `float`, `bool`, `str` and `list`, which is
            of integers.
        optional: the attributes that may be missing.
    """

    run: Callable
    least: int
    most: int | None
    attributes: dict[str, type]
    optional: frozenset[str]


_TYPES = {"int": int, "float": float, "bool": bool, "str": str, "list": list}


def operation(name: str):
    """Registers a function under the name that graphs have for it.

    Its positional parameters are the inputs; those after `*` are attributes, with their type.
    """

    def register(function: Callable) -> Callable:
        OPERATIONS[name] = declared(function)
        return function

    return register


def declared(function: Callable) -> Operation:
    """What a function takes, by its signature."""
    parameters = inspect.signature(function).parameters.values()
    inputs = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    attributes = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return Operation(
        function,
        sum(p.default is p.empty for p in inputs),
        None if any_number else len(inputs),
        {p.name: _TYPES[p.annotation] for p in attributes},
        frozenset(p.name for p in attributes if p.default is not p.empty),
    )
