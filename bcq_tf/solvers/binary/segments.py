"""Sorted rows with prefix sums: a round of alternating optimization without a pass over the row."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary import least_squares
from bcq_tf.solvers.binary.binary_search import count_below
from bcq_tf.solvers.binary.levels import thresholds_and_patterns


class SortedRows:
    """n rows of C values in ascending order, and their running sums.

    The values nearest to one level are then a segment between two binary searches, and its mass
    (number of values, or sum of their weights) and weighted sum are differences of prefix sums.

    Args:
        values: float64 [n, C]; magnitudes where there is no offset.
        weights: float64 [n, C], positive, or None for 1.
        offset: whether candidates have an offset.
    """

    def __init__(self, values: np.ndarray, weights: np.ndarray | None, offset: bool):
        self.offset = offset
        self.length = values.shape[1]
        self.count = len(values)
        # Rows of values and of sums have the same stride, so one index serves both.
        self.values = np.empty((self.count, self.length + 1))
        self.values[:, -1] = np.inf
        ordered = self.values[:, :-1]
        if weights is None:
            ordered[...] = values
            ordered.sort(axis=1)
            self.sums, self.masses = _prefix_sums(ordered), None
            self.mass = np.full(self.count, float(self.length))
        else:
            order = np.argsort(values, axis=1)
            ordered[...] = np.take_along_axis(values, order, axis=1)
            ordered_weights = np.take_along_axis(weights, order, axis=1)
            self.sums = _prefix_sums(ordered * ordered_weights)
            self.masses = _prefix_sums(ordered_weights)
            self.mass = self.masses[:, -1].copy()
        self.sum = self.sums[:, -1].copy()

    def step(self, params: np.ndarray):
        """One round: nearest levels for `params`, then the least-squares params for those.

        Args:
            params: [m, n, k], k candidates for each row.

        Returns:
            (new params [m, n, k], explained [n, k]), where sum h w^2 - explained is the squared
            error of the new params with the signs that are nearest for the old ones.
        """
        masses, right = self._normal_equations(params)
        new = least_squares.solve(masses, right)
        explained = sum(r * p for r, p in zip(right, new, strict=True))
        return new.reshape(params.shape), explained.reshape(params.shape[1:])

    def explained(self, params: np.ndarray) -> np.ndarray:
        """sum h w^2 minus the squared error of `params` [m, n, k] with nearest levels: [n, k]."""
        masses, right = self._normal_equations(params)
        flat = params.reshape(len(params), -1)
        index = [least_squares.parameter_index(i) for i in range(len(flat))]
        total = 0.0
        for i, p in enumerate(flat):
            product = sum(masses[index[i] ^ index[j]] * flat[j] for j in range(len(flat)))
            total = total + p * (2 * right[i] - product)
        return total.reshape(params.shape[1:])

    def _normal_equations(self, params: np.ndarray):
        m, _, k = params.shape
        lanes = self.count * k
        thresholds, patterns = thresholds_and_patterns(params.reshape(m, lanes), self.offset)
        begin = np.repeat(np.arange(self.count) * (self.length + 1), k)
        position = count_below(self.values.ravel(), self.length, begin, thresholds)
        sums = _segments(np.take(self.sums.ravel(), position, mode="wrap"), self.sum, k)
        if self.masses is None:
            position -= begin
            masses = _segments(position, self.mass, k)
        else:
            masses = _segments(np.take(self.masses.ravel(), position, mode="wrap"), self.mass, k)
        if not self.offset:
            flip = (patterns >> (m - 1)) << 63  # onto the sign bit
            sums.view(np.int64)[...] ^= flip
            patterns &= len(patterns) - 1
        patterns *= lanes
        patterns += np.arange(lanes)
        masses, sums = _scatter(masses, patterns), _scatter(sums, patterns)
        least_squares.walsh_hadamard(masses)
        least_squares.walsh_hadamard(sums)
        return masses, [sums[least_squares.parameter_index(i)] for i in range(m)]


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


def _prefix_sums(values: np.ndarray) -> np.ndarray:
    sums = np.empty((len(values), values.shape[1] + 1))
    sums[:, 0] = 0
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _segments(bounds: np.ndarray, total: np.ndarray, k: int) -> np.ndarray:
    # Prefix sums at the K - 1 thresholds -> sums of the K segments between them.
    segments = np.empty((len(bounds) + 1, bounds.shape[1]))
    segments[:-1] = bounds
    segments[-1] = np.repeat(total, k)
    segments[1:] -= bounds
    return segments


def _scatter(segments: np.ndarray, index: np.ndarray) -> np.ndarray:
    scattered = np.empty(segments.size)
    scattered[index.ravel()] = segments.ravel()
    return scattered.reshape(segments.shape)
