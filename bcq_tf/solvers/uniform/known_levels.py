"""The clipping limit of a table that is quantized already, which its values tell."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import UniformCodes
from bcq_tf.codes.coded_matrix import row_blocks

# Of the largest magnitude: who made the levels may have rounded otherwise, and a level and its
# negative not alike.
TOLERANCE = 1e-6
NEIGHBOURS = 4  # float32 limits on either side that are tried for equal bits


def known_limit(matrix: np.ndarray, zero: np.ndarray, bits: int) -> np.float32 | None:
    """The limit whose 2^bits levels are all values of the rows that are not zero.

    Args:
        matrix: float32 [R, C], finite.
        zero: bool [R], the rows of zeros.
        bits: 1 to 8.

    Returns:
        The limit, of those within rounding the one that gives the most values bit for bit; None
        where there is none.
    """
    magnitudes = _distinct_magnitudes(matrix, zero, 1 << bits)
    if magnitudes is None or not magnitudes.any():
        return None
    last = (1 << bits) - 1
    for top in range(last, 0, -2):  # the largest magnitude in half steps; not all levels need occur
        half_step = magnitudes[-1].astype(np.float64) / top
        nearest = 2 * np.round((magnitudes / half_step - 1) / 2) + 1
        gaps = np.abs(nearest * half_step - magnitudes)
        limit = half_step * last
        if gaps.max() <= TOLERANCE * magnitudes[-1] and limit <= np.finfo(np.float32).max:
            return _most_exact(np.float32(limit), magnitudes, bits)
    return None


def _distinct_magnitudes(matrix: np.ndarray, zero: np.ndarray, most: int) -> np.ndarray | None:
    # Ascending, float32; None where there are more than `most`.
    found = np.empty(0, np.float32)
    for rows in row_blocks(matrix.shape):
        values = matrix[rows][~zero[rows]]
        found = np.union1d(found, np.abs(values))
        if len(found) > most:
            return None
    return found


def _most_exact(limit: np.float32, magnitudes: np.ndarray, bits: int) -> np.float32:
    steps = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    steps = steps[np.argsort(np.abs(steps), kind="stable")]
    limits = limit + steps.astype(np.float32) * np.spacing(limit)
    limits = limits[np.isfinite(limits)]
    return max(
        limits, key=lambda limit: np.count_nonzero(np.isin(magnitudes, _levels(limit, bits)))
    )


def _levels(limit: np.float32, bits: int) -> np.ndarray:
    return UniformCodes(np.zeros((1, 1), np.uint8), float(limit), bits, 1).levels
