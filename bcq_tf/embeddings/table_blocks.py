"""Tables of vectors in parts, whatever holds them: an array, codes or a `WordTable`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks


def as_table(name: str, table):
    """`table` itself where it has `shape` and `blocks()`, as codes have; else a float array [n, D].

    Raises:
        ValueError, TypeError: it is no table; the error calls it `name`.
    """
    if hasattr(table, "blocks"):
        return table
    array = np.asarray(table)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"`{name}` must be a table [n, D]. Received: {list(array.shape)}")
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"`{name}` must be of floating dtype. Received: {array.dtype}")
    return array


def blocks_of(table) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
    """Yields the parts of what `as_table` returned: row numbers, and values float32 [n, D]."""
    if hasattr(table, "blocks"):
        yield from table.blocks()
        return
    for rows in row_blocks(table.shape):
        yield rows, np.asarray(table[rows], np.float32)


def rows_of(table, rows: slice | np.ndarray) -> np.ndarray:
    """Rows of what `as_table` returned, by slice or numbers: float32 [n, D]."""
    if not hasattr(table, "rows"):
        return np.asarray(table[rows], np.float32)
    return table.rows(np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows)


def check_same_rows(table, other) -> None:
    """Raises ValueError unless two tables have as many rows."""
    if table.shape[0] != other.shape[0]:
        raise ValueError(
            f"`other` must have the {table.shape[0]} rows of `table`. Received: {list(other.shape)}"
        )


def check_same_shape(table, other) -> None:
    """Raises ValueError unless two tables have the same shape."""
    if tuple(table.shape) != tuple(other.shape):
        raise ValueError(
            f"`other` must be of the shape of `table`, {list(table.shape)}. "
            f"Received: {list(other.shape)}"
        )
