"""The eigenspace overlap score: how much of the space of a table's columns another table keeps."""

from __future__ import annotations

import numpy as np

from bcq_tf.embeddings.table_blocks import as_table, blocks_of, check_same_rows, rows_of

SMALLEST = 1e-6  # of the largest singular value


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
    table, other = as_table("table", table), as_table("other", other)
    check_same_rows(table, other)
    ours, theirs, both = _products(table, other)
    if not np.isfinite(both).all():
        raise ValueError("`table` and `other` must be finite. Received: NaN or Inf")
    # (U^T U~) = S^-1 V^T (X^T X~) V~ S~^-1, since U = X V S^-1.
    overlap = _whitening(ours).T @ both @ _whitening(theirs)
    return float(np.sum(overlap**2) / max(table.shape[1], other.shape[1]))


def _products(table, other):
    # X^T X, X~^T X~ and X^T X~ in float64.
    d, k = table.shape[1], other.shape[1]
    ours, theirs, both = np.zeros((d, d)), np.zeros((k, k)), np.zeros((d, k))
    for rows, block in blocks_of(other):
        a, b = rows_of(table, rows).astype(np.float64), block.astype(np.float64)
        with np.errstate(invalid="ignore"):  # Inf, which is refused when all is summed
            ours += a.T @ a
            theirs += b.T @ b
            both += a.T @ b
    return ours, theirs, both


def _whitening(product: np.ndarray) -> np.ndarray:
    # V S^-1 of a matrix with this X^T X.
    squares, vectors = np.linalg.eigh(product)
    kept = squares > SMALLEST**2 * squares[-1]
    return vectors[:, kept] / np.sqrt(squares[kept])
