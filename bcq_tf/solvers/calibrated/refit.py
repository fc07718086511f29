"""Scales by least squares under a quadratic form, the signs as they are."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.calibrated.levels import signs_of

PIVOT_FLOOR = 1e-6  # of the largest pivot: below it, planes of a group have the same signs


class Refit:
    """Changes of the params of all groups, one direction for each row and the best step along it.

    Each group's own least squares, all others as they are, give the direction; with one group a row
    that is the solution.

    Args:
        form: float32 [C, C], H.
        group: int [C], the group of each column.
        bits, offset: see `levels`.
    """

    def __init__(self, form: np.ndarray, group: np.ndarray, bits: int, offset: bool):
        self.form = form
        self.signs = signs_of(np.arange(1 << bits, dtype=np.uint8), bits, offset)  # [codes, m]
        sizes = np.bincount(group)
        order = np.argsort(group, kind="stable")
        # Groups side by side, short ones filled up with columns that do not count.
        self.columns = np.zeros((len(sizes), sizes.max()), np.intp)
        self.counts = np.arange(sizes.max()) < sizes[:, None]
        self.columns[self.counts] = order
        within = form[self.columns[:, :, None], self.columns[:, None]]
        self.within = within * (self.counts[:, :, None] & self.counts[:, None])

    def __call__(self, codes, pull) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What makes e H e^T less.

        Args:
            codes: uint8 [R, C].
            pull: float32 [R, C], e H for the errors e of each row.

        Returns:
            (changes of the params, float64 [m, R, G]; those of the values, float32 [R, C]; the
            latter times H).
        """
        rows, (groups, size) = len(codes), self.columns.shape
        planes = [
            np.take(column, codes)[:, self.columns.ravel()].reshape(rows, groups, size)
            for column in self.signs.T.copy()
        ]
        change = self._direction(planes, pull[:, self.columns.ravel()].reshape(rows, groups, size))
        moved = np.empty_like(pull)
        values = sum(
            c[..., None].astype(np.float32) * p for c, p in zip(change, planes, strict=True)
        )
        moved[:, self.columns[self.counts]] = values[:, self.counts]
        through = moved @ self.form
        cost = np.einsum("rc,rc->r", moved, through, dtype=np.float64)
        gain = np.einsum("rc,rc->r", moved, pull, dtype=np.float64)
        step = np.divide(gain, cost, out=np.zeros_like(gain), where=cost > 0)
        narrow = step.astype(np.float32)[:, None]
        return change * step[:, None], narrow * moved, narrow * through

    def _direction(self, planes, pull) -> np.ndarray:
        """The least squares of each group: planes m of [R, G, S], pull [R, G, S] -> [m, R, G]."""
        pull = pull * self.counts
        through = [np.einsum("rgs,gst->rgt", plane, self.within, optimize=True) for plane in planes]
        normal = [[_sums(t, plane) for plane in planes[: i + 1]] for i, t in enumerate(through)]
        return _solve(normal, [_sums(pull, plane) for plane in planes])


def _sums(a, b) -> np.ndarray:
    return np.einsum("rgs,rgs->rg", a, b).astype(np.float64)


def _solve(normal: list[list[np.ndarray]], right: list[np.ndarray]) -> np.ndarray:
    """Many symmetric systems of m equations by LDL^T: normal[i][j], j <= i, right[i] of one shape.

    A param that others can stand for stays as it is.
    """
    count = len(right)
    pivots, inverse, lower, y = [], [], {}, []
    for j in range(count):
        pivot = normal[j][j] - sum(lower[j, k] ** 2 * pivots[k] for k in range(j))
        pivots.append(pivot)
        with np.errstate(divide="ignore"):
            inverse.append(np.where(pivot > PIVOT_FLOOR * normal[j][j], 1 / pivot, 0))
        for i in range(j + 1, count):
            entry = normal[i][j] - sum(lower[i, k] * lower[j, k] * pivots[k] for k in range(j))
            lower[i, j] = entry * inverse[j]
        y.append(right[j] - sum(lower[j, k] * y[k] for k in range(j)))
    result = np.empty((count, *right[0].shape))
    for j in reversed(range(count)):
        result[j] = y[j] * inverse[j] - sum(lower[i, j] * result[i] for i in range(j + 1, count))
    return result
