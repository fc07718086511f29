"""Residual quantization, from which additive codes start."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.solvers.compositional.codebooks import sums_by_index
from bcq_tf.solvers.compositional.index_search import lone_product

SAMPLE_ROWS = 1 << 13  # at least, and this many for each vector:
ROWS_A_VECTOR = 64
FIRST_ROWS_A_VECTOR = 8  # among which the first centres are sought
KMEANS_ROUNDS = 40  # the codebooks come out better for it, in little of the whole time


def residual_codes(
    matrix: np.ndarray, M: int, K: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """M times k-means of what the codebooks before leave of each row.

    Args:
        matrix: float32 [R, D].
        M, K: number of codebooks, and of vectors in each.
        rng: chooses the rows that k-means sees and starts from.

    Returns:
        (indexes intp [R, M], codebooks float32 [M, K, D]).
    """
    rest = matrix.copy()
    indexes = np.empty((len(matrix), M), np.intp)
    codebooks = np.empty((M, K, matrix.shape[1]), np.float32)
    for m in range(M):
        sample = rest[rng.permutation(len(rest))[: max(SAMPLE_ROWS, ROWS_A_VECTOR * K)]]
        codebooks[m] = _kmeans(sample, K, rng)
        indexes[:, m] = _nearest(rest, codebooks[m])
        for rows in row_blocks(matrix.shape):
            rest[rows] -= codebooks[m, indexes[rows, m]]
    return indexes, codebooks


def _kmeans(sample: np.ndarray, K: int, rng: np.random.Generator) -> np.ndarray:
    # The rows of the sample are in random order; a centre that loses all its rows stays.
    centres = _far_rows(sample[: max(SAMPLE_ROWS, FIRST_ROWS_A_VECTOR * K)], K, rng)
    for _ in range(KMEANS_ROUNDS):
        index = _nearest(sample, centres)
        sizes = np.bincount(index, minlength=K)[:, None]
        means = sums_by_index(sample, index[:, None], K) / np.maximum(sizes, 1)
        centres = np.where(sizes > 0, means, centres).astype(np.float32)
    return centres


def _far_rows(sample: np.ndarray, K: int, rng: np.random.Generator) -> np.ndarray:
    # Arthur & Vassilvitskii 2007, k-means++: a row is taken with a chance that is proportional to
    # its squared distance from those taken before.
    taken = [0]
    squares = np.square(sample).sum(axis=1)
    away = np.full(len(sample), np.inf)
    for _ in range(K - 1):
        last = taken[-1]
        away = np.minimum(away, squares - 2 * sample @ sample[last] + squares[last])
        away = np.maximum(away, 0)
        away[taken] = 0
        chances = np.cumsum(away, dtype=np.float64)
        taken.append(int(np.searchsorted(chances, rng.random() * chances[-1], side="right")))
        taken[-1] = min(taken[-1], len(sample) - 1)  # where all rows are taken or the same
    return sample[taken]


def _nearest(matrix: np.ndarray, centres: np.ndarray) -> np.ndarray:
    # The centre that is nearest to each row, intp [R].
    squares, doubled = np.square(centres).sum(axis=1), -2 * centres.T
    nearest = np.empty(len(matrix), np.intp)
    for rows in row_blocks((len(matrix), max(centres.shape))):
        nearest[rows] = np.argmin(squares + lone_product(matrix[rows], doubled), axis=1)
    return nearest
