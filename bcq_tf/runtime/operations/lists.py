"""Lists of arrays, as loops over the steps of a sequence fill them: of arrays, or None."""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import operation


@operation("list_of")
def list_of(x):
    """The parts of x along its first axis."""
    return list(x)


@operation("list_empty")
def list_empty(length):
    """A list of so many places, with nothing in them."""
    return [None] * int(length)


@operation("list_set")
def list_set(items, index, item):
    """The list with one place taken."""
    index = int(index)
    return [*items[:index], item, *items[index + 1 :]]


@operation("list_get")
def list_get(items, index):
    """What a place holds."""
    return items[int(index)]


@operation("list_stack")
def list_stack(items):
    """All of them along a new first axis."""
    return np.stack(items)


@operation("list_length")
def list_length(items):
    """How many places there are."""
    return np.array(len(items), np.int32)
