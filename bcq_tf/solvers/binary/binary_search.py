"""Many binary searches at once, one NumPy call a step."""

from __future__ import annotations

import numpy as np


def count_below(arrays: np.ndarray, length: int, begin: np.ndarray, queries: np.ndarray):
    """Counts the entries of a sorted array that are smaller than a query.

    Branchless: every query takes the same steps, each a read, a comparison and an addition.

    Args:
        arrays: float64, flat: sorted (ascending) arrays one after the other.
        length: entries of each that count.
        begin: int64, broadcastable to `queries`: where in `arrays` the query's begins.
        queries: float64, finite.

    Returns:
        int64, the shape of `queries`: `begin` plus the number of entries below the query.
    """
    position = np.empty(queries.shape, np.int64)
    position[...] = begin
    found = np.empty(queries.shape)
    move = found.view(np.int64)
    for step in _steps(length):
        # mode="wrap" is the fastest; no index is out of range.
        np.take(arrays[step - 1 :], position, out=found, mode="wrap")
        # found < query is the sign bit of the difference; spread over the word it is a mask.
        np.subtract(found, queries, out=found)
        np.right_shift(move, 63, out=move)
        np.bitwise_and(move, step, out=move)
        position += move
    return position


def _steps(length: int) -> list[int]:
    # Steps 2^(s-1), ..., 2, 1 search 2^s - 1 entries; one step more brings `length` down to that.
    window = (1 << ((length + 1).bit_length() - 1)) - 1
    extra = [length - window] if length > window else []
    return extra + [1 << i for i in reversed(range(window.bit_length()))]
