"""Importance weights: how much the squared error of each weight counts."""

from __future__ import annotations

import numpy as np

# Part of the mean that is added to every importance, so that none is zero: estimates of the
# Fisher diagonal are noisy, and a weight of importance zero would be left to chance.
FLOOR = 0.1


def regularized(importance: np.ndarray) -> np.ndarray:
    """Importances as the solvers use them: h / mean(h) + 0.1, by row; 1 where a row is all zero.

    Args:
        importance: non-negative, [n, C].

    Returns:
        float64 [n, C], positive.
    """
    # Divide by the largest first: sums of huge importances must not overflow.
    importance = importance.astype(np.float64)
    largest = importance.max(axis=1, keepdims=True)
    unused = largest == 0
    scaled = importance / np.where(unused, 1, largest)
    mean = scaled.mean(axis=1, keepdims=True)
    return np.where(unused, 1.0, scaled / np.where(unused, 1, mean) + FLOOR)
