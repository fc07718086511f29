"""The codebooks of least squared error for given indexes."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-7  # of a codebook vector's mean count: what the indexes leave open is kept small
BLOCK_ROWS = 1 << 12  # at most, whose sums are formed in single precision
BLOCK_NUMBERS = 1 << 22  # at most, of a block's zeros and ones


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
