"""Scales of few digits under a quadratic form: each is rounded for what the others have become."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes.scale_dtypes import ScaleDtype
from bcq_tf.solvers.calibrated.levels import signs_of

TURNS = 2  # that each param of a group has


class Rounding:
    """Coordinate descent on params that stay numbers of a dtype, with the signs as they are.

    What rounding one scale costs under H the next ones of its group make up for, then those of the
    groups after it: no cost rises.

    Args:
        form: float32 [C, C], H.
        group: int [C], the group of each column.
        bits, offset: see `levels`.
        dtype: that of scales; an offset is of the dtype that holds them.
    """

    def __init__(self, form, group: np.ndarray, bits: int, offset: bool, dtype: ScaleDtype):
        self.form, self.offset, self.dtype = form, offset, dtype
        self.signs = signs_of(np.arange(1 << bits, dtype=np.uint8), bits, offset).T.copy()
        self.columns = [np.flatnonzero(group == g) for g in range(group.max() + 1)]

    def __call__(self, params, codes, errors, pull) -> None:
        """Changes `params` [m, R, G], numbers of the dtype as float64, with errors and pull.

        codes, errors, pull: [R, C] each, see `Refit`.
        """
        for group, columns in enumerate(self.columns):
            planes = self.signs[:, codes[:, columns]]  # [m, R, S]
            through = planes @ self.form[np.ix_(columns, columns)]
            normal = np.einsum("irs,jrs->ijr", through, planes, optimize=True)
            right = np.einsum("irs,rs->ir", planes, pull[:, columns])
            change = self._change(params[:, :, group], normal, right)
            params[:, :, group] += change
            moved = np.einsum("ir,irs->rs", change.astype(np.float32), planes)
            errors[:, columns] -= moved
            pull -= moved @ self.form[columns]

    def _change(self, params, normal, right) -> np.ndarray:
        # [m, R]: what each param becomes that is best beside those before it, less what it was.
        change = np.zeros_like(params)
        for i in [*range(len(params))] * TURNS:
            left = right[i] - np.einsum("jr,jr->r", normal[i], change)
            best = params[i] + change[i] + left / np.maximum(normal[i, i], 1e-30)
            if i < self.offset:
                near = best.astype(self.dtype.held)
            else:
                near = self.dtype.rounded(np.maximum(best, 0))
            change[i] = np.where(np.isfinite(near), near - params[i], change[i])
        return change
