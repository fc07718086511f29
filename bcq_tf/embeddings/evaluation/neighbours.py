"""The nearest rows of a table by cosine, and how many of them a compressed table keeps."""

from __future__ import annotations

import numpy as np

from bcq_tf.config import check_integer
from bcq_tf.embeddings.table_blocks import as_table, blocks_of, check_same_rows, rows_of

AT_ONCE = 1 << 23  # cosines


def neighbour_overlap(table, other, k: int = 10, sample: int = 1000, seed: int = 0) -> float:
    """The share of rows' k nearest in `table` by cosine that are among the k nearest in `other`.

    Args:
        table: [n, d], an array, codes or word vectors.
        other: [n, m], of the same rows.
        k: neighbours, from 1 to n - 1.
        sample: rows that are looked at, all where n is less.
        seed: of the choice of rows.

    Returns:
        The mean share, from 0 to 1.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    table, other = as_table("table", table), as_table("other", other)
    check_same_rows(table, other)
    rows = table.shape[0]
    if rows < 2:
        raise ValueError("`table` must have two rows at least. Received: 1")
    check_integer("k", k, 1, rows - 1)
    check_integer("sample", sample, 1)
    check_integer("seed", seed, 0)
    ids = np.sort(np.random.default_rng(seed).choice(rows, min(sample, rows), replace=False))
    ours, theirs = _of_rows(table, ids, k), _of_rows(other, ids, k)
    return float(np.mean((ours[:, :, None] == theirs[:, None, :]).any(axis=2)))


def nearest(table, queries: np.ndarray, k: int, excluded: np.ndarray | None = None):
    """The k rows of largest cosine with each query.

    The table is read in parts, so it may be codes. A row of zeros has the cosine 0.

    Args:
        table: [n, D], what `as_table` returned.
        queries: float32 [q, D].
        k: how many, at most n less what is excluded.
        excluded: numbers of rows that do not count, integers [q, e]; None for no such rows.

    Returns:
        (numbers int64 [q, k], cosines float32 [q, k]), the nearest first.
    """
    more = 0 if excluded is None else excluded.shape[1]
    numbers, cosines = _largest(table, unit_rows(queries), k + more)
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


def _of_rows(table, ids: np.ndarray, k: int) -> np.ndarray:
    return nearest(table, rows_of(table, ids), k, ids[:, None])[0]


def _largest(table, queries: np.ndarray, k: int):
    # Numbers and cosines [q, k], in falling order of cosines.
    count = min(k, table.shape[0])
    numbers = np.full((len(queries), 0), 0, np.int64)
    cosines = np.empty((len(queries), 0), np.float32)
    for rows, block in blocks_of(table):
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
