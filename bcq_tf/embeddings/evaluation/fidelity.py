"""How near a table is to the one that it stands for: in its rows, its space, their neighbours."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.config import check_integer
from bcq_tf.embeddings.evaluation.neighbours import nearest
from bcq_tf.embeddings.tables import rows_of, two_tables

SMALLEST = 1e-6  # of the largest singular value


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far rows w~ are from rows w.

    Args:
        mean: of the Euclidean distances |w - w~|, which nncompress reports.
        relative_error: sum |w - w~|^2 / sum |w|^2; 0 where both sums are.
    """

    mean: float
    relative_error: float


def distance(table, other) -> Distance:
    """The distance of `other` from `table`, which are read in parts.

    Args:
        table: [n, d], an array, codes or word vectors.
        other: [n, d], of the same rows.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    table, other = two_tables(table, other)
    if table.shape[1] != other.shape[1]:
        raise ValueError(
            f"`other` must be of the shape of `table`, {list(table.shape)}. "
            f"Received: {list(other.shape)}"
        )
    total = error = energy = 0.0
    for rows, block in other.blocks():
        wanted = rows_of(table, rows).astype(np.float64)
        squares = np.sum((wanted - block) ** 2, axis=1)
        total += float(np.sum(np.sqrt(squares)))
        error += float(np.sum(squares))
        energy += float(np.sum(wanted**2))
    _check_finite(total)
    relative = (error / energy if energy else np.inf) if error else 0.0
    return Distance(total / table.shape[0], relative)


def eigenspace_overlap(table, other) -> float:
    """||U^T U~||_F^2 / max(d, k), U and U~ orthonormal bases of the columns of two tables.

    May et al. 2019, "On the downstream performance of compressed word embeddings", who show that
    it tells how models do on compressed vectors: 1 where columns, independent ones, span the same
    space, 0 where the spaces are orthogonal. U holds the left singular vectors of singular values
    above 1e-6 of the largest. The tables are read in parts; beside them it takes memory for d + k
    columns only.

    Args:
        table: [n, d], an array, codes or word vectors.
        other: [n, k], of the same rows.

    Returns:
        The score, from 0 to 1.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    table, other = two_tables(table, other)
    d, k = table.shape[1], other.shape[1]
    ours, theirs, both = np.zeros((d, d)), np.zeros((k, k)), np.zeros((d, k))
    for rows, block in other.blocks():
        a, b = rows_of(table, rows).astype(np.float64), block.astype(np.float64)
        with np.errstate(invalid="ignore"):  # Inf, which is refused when all is summed
            ours += a.T @ a
            theirs += b.T @ b
            both += a.T @ b
    _check_finite(both)
    # (U^T U~) = S^-1 V^T (X^T X~) V~ S~^-1, since U = X V S^-1.
    overlap = _whitening(ours).T @ both @ _whitening(theirs)
    return float(np.sum(overlap**2) / max(d, k))


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
    table, other = two_tables(table, other)
    rows = table.shape[0]
    if rows < 2:
        raise ValueError("`table` must have two rows at least. Received: 1")
    check_integer("k", k, 1, rows - 1)
    check_integer("sample", sample, 1)
    check_integer("seed", seed, 0)
    ids = np.sort(np.random.default_rng(seed).choice(rows, min(sample, rows), replace=False))
    ours, theirs = (nearest(each, each.rows(ids), k, ids[:, None])[0] for each in (table, other))
    return float(np.mean((ours[:, :, None] == theirs[:, None, :]).any(axis=2)))


def _check_finite(sums) -> None:
    if not np.isfinite(sums).all():
        raise ValueError("`table` and `other` must be finite. Received: NaN or Inf")


def _whitening(product: np.ndarray) -> np.ndarray:
    # V S^-1 of a matrix with this X^T X.
    squares, vectors = np.linalg.eigh(product)
    kept = squares > SMALLEST**2 * squares[-1]
    return vectors[:, kept] / np.sqrt(squares[kept])
