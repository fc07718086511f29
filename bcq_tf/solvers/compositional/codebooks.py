"""Codebooks: their sizes, those of least squared error, and the dtype in which they are kept."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes.compositional import MOST_ENTRIES
from bcq_tf.config import check_integer
from bcq_tf.solvers.checks import check_range

MOST_VECTORS = 1 << 13  # of all codebooks, as their least squares takes this cubed

RIDGE = 1e-7  # of a codebook vector's mean count: what the indexes leave open is kept small
BLOCK_ROWS = 1 << 12  # at most, whose sums are formed in single precision
BLOCK_NUMBERS = 1 << 22  # at most, of a block's zeros and ones


def check_sizes(M, K, rows: int | None = None) -> tuple[int, int]:
    """(M, K) as ints; raises ValueError unless M codebooks of K vectors can be made.

    rows: of the table, where it is known.
    """
    M, K = check_integer("M", M, 1, MOST_VECTORS), check_integer("K", K, 1, MOST_ENTRIES)
    if M * K > MOST_VECTORS:
        raise ValueError(f"`M` times `K` must be at most {MOST_VECTORS}. Received: M={M}, K={K}")
    if rows is not None and rows < M * K:
        raise ValueError(
            f"`M` times `K` must be at most the {rows} rows of `matrix`, or the codebooks would be "
            f"larger than it. Received: M={M}, K={K}"
        )
    return M, K


def fitted_codebooks(
    matrix: np.ndarray, indexes: np.ndarray, K: int, shrinkage: float = 0.0
) -> np.ndarray:
    """Solves the normal equations of min || matrix - sum_m codebooks[m, indexes[:, m]] ||^2.

    A vector that no row uses becomes zero.

    Args:
        matrix: float32 [R, D].
        indexes: integers [R, M] from 0 to K - 1.
        K: vectors of a codebook.
        shrinkage: weight of the vectors' own squares in what is made least, in rows that a vector
            has on average.

    Returns:
        float32 [M, K, D].
    """
    count = indexes.shape[1]
    gram = pair_counts(indexes, K)
    gram[np.diag_indices(count * K)] += (RIDGE + shrinkage) * len(matrix) / K
    solved = np.linalg.solve(gram, sums_by_index(matrix, indexes, K))
    return solved.reshape(count, K, -1).astype(np.float32)


def stored_codebooks(codebooks: np.ndarray, dtype: str, matrix: np.ndarray) -> np.ndarray:
    """Codebooks of `matrix` in `dtype`; raises ValueError where it cannot hold them."""
    with np.errstate(over="ignore"):  # to Inf, which the check finds
        stored = codebooks.astype(dtype)
    check_range(stored, matrix, dtype, "dtype", "codebooks")
    return stored


def pair_counts(indexes: np.ndarray, K: int) -> np.ndarray:
    """How many rows use both of two vectors, float64 [M K, M K]."""
    count = indexes.shape[1]
    counts = np.zeros((count, K, count, K))
    for a in range(count):
        first = indexes[:, a].astype(np.int64) * K
        for b in range(a, count):
            pairs = np.bincount(first + indexes[:, b], minlength=K * K).reshape(K, K)
            counts[a, :, b], counts[b, :, a] = pairs, pairs.T
    return counts.reshape(count * K, count * K)


def sums_by_index(matrix: np.ndarray, indexes: np.ndarray, K: int) -> np.ndarray:
    """The sum of the rows that use a vector, float64 [M K, D]."""
    count = indexes.shape[1]
    sums = np.zeros((count * K, matrix.shape[1]))
    step = max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // (count * K)))
    for begin in range(0, len(matrix), step):
        places = indexes[begin : begin + step] + K * np.arange(count)
        one_hot = np.zeros((len(places), count * K), np.float32)
        np.put_along_axis(one_hot, places, 1, axis=1)
        sums += one_hot.T @ matrix[begin : begin + step]
    return sums
