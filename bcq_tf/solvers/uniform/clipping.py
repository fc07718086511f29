"""The clipping limit of least error for all values of a table, from a histogram of magnitudes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.solvers.binary.uniform import golden_section

# Bins are the exponent and the first bits of the fraction of a float32: 2,048 an octave, so that a
# magnitude is off by at most 2^-12 of itself, whatever the table's scale.
BIN_BITS = 12  # that are dropped
LARGEST_BIN = 255 << (23 - BIN_BITS)  # of Inf
LIMITS_PER_OCTAVE = 16  # tried before the golden-section search, which needs one minimum


def histogram(matrix: np.ndarray, zero: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each magnitude occurs in the rows that are not zero.

    Args:
        matrix: float32 [R, C], finite.
        zero: bool [R], the rows of zeros.

    Returns:
        (magnitudes [m] ascending, counts [m] from 1 upwards), float64.
    """
    counts = np.zeros(LARGEST_BIN, np.int64)
    for rows in row_blocks(matrix.shape):
        bits = np.ascontiguousarray(matrix[rows]).view(np.uint32).ravel()
        counts_of_rows = np.bincount((bits << 1) >> (BIN_BITS + 1))
        counts[: len(counts_of_rows)] += counts_of_rows
    counts[0] -= np.count_nonzero(zero) * matrix.shape[1]
    bins = np.flatnonzero(counts)
    middles = ((bins << BIN_BITS) + (1 << (BIN_BITS - 1))).astype(np.uint32)
    return middles.view(np.float32).astype(np.float64), counts[bins].astype(np.float64)


def best_limit(
    magnitudes: np.ndarray, counts: np.ndarray, bits: int, stochastic: bool
) -> np.float32:
    """The limit of least squared error, expected where rounding is stochastic.

    magnitudes [m] ascending and counts [m]: of a `histogram`; 0 where there are none.
    """
    if not len(magnitudes):
        return np.float32(0)
    error = clipping_error(magnitudes, counts, bits, stochastic)
    octaves = np.log2(magnitudes[-1] / magnitudes[0])
    tried = int(np.ceil(octaves * LIMITS_PER_OCTAVE)) + 1
    limits = np.geomspace(magnitudes[0], magnitudes[-1], tried)
    best = limits[np.argmin([error(limit) for limit in limits])]
    step = 2 ** (1 / LIMITS_PER_OCTAVE)
    limit, _ = golden_section(
        lambda limits: np.array([error(limit) for limit in limits]),
        np.array([best / step]),
        np.array([best * step]),
    )
    return np.float32(min(limit[0], np.finfo(np.float32).max))


def clipping_error(
    magnitudes: np.ndarray, counts: np.ndarray, bits: int, stochastic: bool
) -> Callable[[float], float]:
    """The squared error of all values as a function of the limit; arguments as `best_limit`.

    A call takes a few searches in the magnitudes: between two edges the error is a quadratic
    function of the magnitude, so three cumulative sums tell that of a segment.
    """
    powers = np.stack([counts, counts * magnitudes, counts * magnitudes**2])
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(powers, axis=1)], axis=1)
    upper = (1 << bits) // 2  # positive levels
    place = np.arange(upper + 1 if stochastic else upper)

    def error(limit: float) -> float:
        step = 2 * limit / ((1 << bits) - 1)
        if stochastic:  # segments between levels a and b: the expected error is (w - a)(b - w)
            edges = (place[:-1] + 0.5) * step
            middle, spread, sign = place * step, (step / 2) ** 2, -np.ones(upper + 1)
            middle[-1], sign[-1] = limit, 1
            added = np.append(np.full(upper, spread), 0)
        else:  # segments between the middles of levels
            edges = place[1:] * step
            middle, sign, added = (place + 0.5) * step, np.ones(upper), np.zeros(upper)
        ends = np.concatenate([[0], np.searchsorted(magnitudes, edges), [len(magnitudes)]])
        n, first, second = np.diff(sums[:, ends], axis=1)
        squares = second - 2 * middle * first + middle**2 * n
        return float(np.sum(sign * squares + added * n))

    return error
