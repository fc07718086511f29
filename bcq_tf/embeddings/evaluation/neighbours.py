"""The nearest rows of a table by cosine."""

from __future__ import annotations

import numpy as np

from bcq_tf.embeddings.tables import as_table

AT_ONCE = 1 << 23  # cosines


def nearest(table, queries: np.ndarray, k: int, excluded: np.ndarray | None = None):
    """The k rows of largest cosine with each query.

    The table is read in parts, so it may be codes. A row of zeros has the cosine 0.

    Args:
        table: [n, D], an array, codes or word vectors.
        queries: float32 [q, D].
        k: how many, at most n less what is excluded.
        excluded: numbers of rows that do not count, integers [q, e]; None for no such rows.

    Returns:
        (numbers int64 [q, k], cosines float32 [q, k]), the nearest first.
    """
    more = 0 if excluded is None else excluded.shape[1]
    numbers, cosines = _largest(as_table("table", table), unit_rows(queries), k + more)
    if not more:
        return numbers, cosines
    out = (numbers[:, :, None] == excluded[:, None, :]).any(axis=2)
    order = np.argsort(out, axis=1, kind="stable")[:, :k]  # those that count first
    return np.take_along_axis(numbers, order, 1), np.take_along_axis(cosines, order, 1)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32; those of zeros stay."""
    rows = rows / _or_one(np.abs(rows).max(axis=1, keepdims=True))  # no square under- or overflows
    return rows / _or_one(np.linalg.norm(rows, axis=1, keepdims=True))


def _or_one(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 1)


def _largest(table, queries: np.ndarray, k: int):
    # Numbers and cosines [q, k], in falling order of cosines.
    count = min(k, table.shape[0])
    numbers = np.full((len(queries), 0), 0, np.int64)
    cosines = np.empty((len(queries), 0), np.float32)
    for rows, block in table.blocks():
        ids = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        places, values = _largest_in_block(queries, unit_rows(block), min(count, len(block)))
        numbers = np.concatenate([numbers, ids[places]], axis=1)
        cosines = np.concatenate([cosines, values], axis=1)
        order = np.lexsort((numbers, -cosines), axis=1)[:, :count]
        numbers = np.take_along_axis(numbers, order, 1)
        cosines = np.take_along_axis(cosines, order, 1)
    return numbers, cosines


def _largest_in_block(queries: np.ndarray, block: np.ndarray, k: int):
    # Places in the block and cosines [q, k], unordered.
    step = max(1, AT_ONCE // len(block))
    places, values = [], []
    for begin in range(0, len(queries), step):
        cosines = queries[begin : begin + step] @ block.T
        place = np.argpartition(cosines, -k, axis=1)[:, -k:]
        places.append(place)
        values.append(np.take_along_axis(cosines, place, 1))
    return np.concatenate(places), np.concatenate(values)
