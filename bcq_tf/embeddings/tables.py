"""Tables of vectors, whatever holds them.

A table has `shape`, (n, D); `rows(ids)`, float32; and `blocks()`, which yields all rows in parts:
codes have them, a `WordTable`, and an array as `as_table` returns it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks


class ArrayTable:
    """A float array [n, D] as a table."""

    def __init__(self, array: np.ndarray):
        self.array, self.shape = array, array.shape

    def rows(self, ids) -> np.ndarray:
        """The rows `ids`, a slice or integers: float32."""
        return np.asarray(self.array[ids], np.float32)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """See `WordTable.blocks`."""
        return ((rows, self.rows(rows)) for rows in row_blocks(self.shape))


def as_table(name: str, table):
    """`table` itself where it is one, else a float array [n, D] as one.

    Raises:
        ValueError, TypeError: it is neither; the error calls it `name`.
    """
    if hasattr(table, "blocks"):
        return table
    array = np.asarray(table)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"`{name}` must be a table [n, D]. Received: {list(array.shape)}")
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"`{name}` must be of floating dtype. Received: {array.dtype}")
    return ArrayTable(array)


def two_tables(table, other) -> tuple:
    """Both as tables.

    Raises:
        ValueError, TypeError: one is none, or they have not as many rows.
    """
    table, other = as_table("table", table), as_table("other", other)
    if table.shape[0] != other.shape[0]:
        raise ValueError(
            f"`other` must have the {table.shape[0]} rows of `table`. Received: {list(other.shape)}"
        )
    return table, other


def rows_of(table, rows: slice | np.ndarray) -> np.ndarray:
    """Rows of a table as `blocks` names them, float32 [n, D]."""
    return table.rows(np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows)
