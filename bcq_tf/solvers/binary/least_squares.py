"""The least-squares scales of fixed signs, for many candidates at once."""

from __future__ import annotations

import numpy as np

# Smallest pivot, as a part of the total mass. True pivots are far larger; a smaller one is the
# rounding error of zero: that scale is then free, and what it becomes changes nothing.
PIVOT_FLOOR = 1e-11


def walsh_hadamard(values: np.ndarray) -> None:
    """In place on the first axis [K, L], K a power of two:

    out[i] = sum_p values[p] * (-1)^popcount(i & p).
    """
    count = len(values)
    step = 1
    while step < count:
        pairs = values.reshape(count // (2 * step), 2, step, -1)
        difference = pairs[:, 0] - pairs[:, 1]
        pairs[:, 0] += pairs[:, 1]
        pairs[:, 1] = difference
        step *= 2


def parameter_index(i: int) -> int:
    """Which Walsh-Hadamard coefficient belongs to parameter i (see `levels` on patterns).

    With mass and sum of every pattern transformed, the normal equations A x = r are
    r[i] = sums[index(i)] and A[i, j] = masses[index(i) ^ index(j)].
    """
    return 0 if i == 0 else 1 << (i - 1)


def solve(masses: np.ndarray, right: list[np.ndarray]) -> np.ndarray:
    """Solves the normal equations by LDL^T, without a ridge.

    Args:
        masses: [K, L], the transformed masses.
        right: m arrays [L], the right sides.

    Returns:
        params [m, L].
    """
    m = len(right)
    floor = PIVOT_FLOOR * masses[0]
    pivots, lower = [], {}
    y = list(right)
    for j in range(m):
        pivot = masses[0]
        for k in range(j):
            pivot = pivot - lower[j, k] * lower[j, k] * pivots[k]
        pivots.append(np.maximum(pivot, floor))
        for i in range(j + 1, m):
            entry = masses[parameter_index(i) ^ parameter_index(j)]
            for k in range(j):
                entry = entry - lower[i, k] * lower[j, k] * pivots[k]
            lower[i, j] = entry / pivots[j]
            y[i] = y[i] - lower[i, j] * y[j]
    params = np.empty((m, masses.shape[1]))
    for j in reversed(range(m)):
        params[j] = y[j] / pivots[j]
        for i in range(j + 1, m):
            params[j] -= lower[i, j] * params[i]
    return params
