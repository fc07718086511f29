"""The two-level case, solved exactly."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.segments import SortedRows


def two_level_params(rows: SortedRows) -> np.ndarray:
    """The global optimum of two free levels l1 <= l2: params [2, n] = (l2 + l1, l2 - l1) / 2.

    That is 2 bits without an offset (levels +-l1, +-l2, any 0 <= l1 <= l2), and 1 bit with one.
    The best levels are the weighted means of a lower and an upper part of the sorted row; the
    split with the largest S1^2 / n1 + S2^2 / n2 is the best.
    """
    shape = (rows.count, rows.length + 1)
    sums = rows.sums[:, 1:]
    masses = np.arange(1.0, shape[1]) if rows.masses is None else rows.masses[:, 1:]
    masses = np.broadcast_to(masses, sums.shape)
    rest_sum, rest_mass = rows.sum[:, None] - sums, rows.mass[:, None] - masses
    rest_mass[:, -1] = 1  # the last split leaves nothing: one level for all
    rest_sum[:, -1] = 0
    best = np.argmax(sums * sums / masses + rest_sum * rest_sum / rest_mass, axis=1)[:, None]
    low, high = (
        np.take_along_axis(s, best, axis=1)[:, 0] / np.take_along_axis(w, best, axis=1)[:, 0]
        for s, w in ((sums, masses), (rest_sum, rest_mass))
    )
    high = np.where(best[:, 0] == rows.length - 1, low, high)
    return np.stack([high + low, high - low]) / 2
