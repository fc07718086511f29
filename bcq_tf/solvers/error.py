"""How far codes are from the matrix that they stand for."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.solvers.checks import check_importance, check_matrix, check_same_shape


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
    return ratio(*error_and_energy(matrix, codes, importance))


def error_and_energy(matrix, codes: BinaryCodes, importance=None) -> tuple[float, float]:
    """sum h (w - w^)^2 and sum h w^2, for arguments that are known to keep the rules."""
    error = energy = 0.0
    for rows, approximation in codes.blocks():
        weights = matrix[rows].astype(np.float64)
        h = 1.0 if importance is None else importance[rows].astype(np.float64)
        energy += float(np.sum(h * weights**2))
        weights -= approximation
        error += float(np.sum(h * weights**2))
    return error, energy


def ratio(error: float, energy: float) -> float:
    """error / energy; 0 where there is no error."""
    if error == 0:
        return 0.0
    return error / energy if energy else float("inf")
