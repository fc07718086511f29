"""How far codes are from the matrix that they stand for."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.solvers.checks import check_importance, check_matrix, check_same_shape

ROWS = 1 << 20  # weights at a time


def relative_error(matrix, codes: BinaryCodes, importance=None) -> float:
    """Relative squared error sum h (w - w^)^2 / sum h w^2.

    Args:
        matrix: float [R, C].
        codes: `BinaryCodes` of the same shape.
        importance: h, non-negative [R, C], used as it is; None for 1.

    Returns:
        The error; 0 where the codes are exact, also for a matrix of zeros.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    matrix = check_matrix(matrix)
    check_same_shape("codes", codes, matrix)
    importance = check_importance(importance, matrix)
    approximation = codes.reconstruct()
    error = energy = 0.0
    step = max(1, ROWS // matrix.shape[1])
    for begin in range(0, len(matrix), step):
        rows = slice(begin, begin + step)
        weights = matrix[rows].astype(np.float64)
        h = 1.0 if importance is None else importance[rows].astype(np.float64)
        error += float(np.sum(h * (weights - approximation[rows]) ** 2))
        energy += float(np.sum(h * weights**2))
    if error == 0:
        return 0.0
    return error / energy if energy else float("inf")
