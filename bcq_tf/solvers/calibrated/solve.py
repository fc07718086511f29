"""Codes of small error e H e^T, by error feedback, descent on the levels and refits of the scales.

The order of columns and the feedback are those of GPTQ (Frantar et al. 2023), in the form of LDLQ
(Chee et al. 2023); levels and scales that are then fitted in turn under H follow LNQ (Kim et al.
2025) and BPDQ, whose codes are binary, too.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import BCQConfig
from bcq_tf.solvers.binary.block import rounded
from bcq_tf.solvers.calibrated import blocks
from bcq_tf.solvers.calibrated.form import QuadraticForm
from bcq_tf.solvers.calibrated.levels import ascending, canonical, codes_of, values_of
from bcq_tf.solvers.calibrated.refit import Refit
from bcq_tf.solvers.calibrated.rounding import Rounding

ROUNDS = {"full": (2, 2, 2), "low": (2,)}  # for each round of feedback how many sweeps follow it
LAST_SWEEPS = 2  # with the scales as they are stored
CHUNK_WEIGHTS = 1 << 22  # solved at once, so that copies of a table stay small


def solve(matrix, form: QuadraticForm, config: BCQConfig, effort: str, start):
    """See `bcq_tf.solvers.quantize`, which has checked the arguments.

    Args:
        matrix: float [R, C].
        form: the costs of its rows' errors.
        config, effort: how; effort is "full" or "low".
        start: solves rows for their own error: (rows, importance, config) -> (params [m, R, G],
            planes).

    Returns:
        (params [m, R, G] in the scale dtype; codes uint8 [R, C]).
    """
    rows, columns = matrix.shape
    refit, rounding = _refit(form, config), _rounding(form, config)
    codes = np.empty(matrix.shape, np.uint8)
    step = max(1, CHUNK_WEIGHTS // columns)
    params = []
    for begin in range(0, rows, step):
        chunk = slice(begin, begin + step)
        state = _begun(matrix[chunk], form, refit, config, start)
        stored, codes[chunk] = state.solve(ROUNDS[effort], rounding)
        params.append(stored)
    return np.concatenate(params, axis=1), codes


def rough_values(matrix, form: QuadraticForm, config: BCQConfig, start) -> np.ndarray:
    """What codes stand for that one pass of error feedback gives, float32 [R, C].

    Their errors are larger than those of `solve` by a factor that hardly depends on the matrix.
    """
    return _begun(matrix, form, None, config, start).rough()


def _refit(form: QuadraticForm, config: BCQConfig) -> Refit:
    return Refit(form.matrix, _groups(form, config), config.bits, config.offset)


def _rounding(form: QuadraticForm, config: BCQConfig) -> Rounding | None:
    # Where rounding costs something.
    dtype = SCALE_DTYPES[config.scale_dtype]
    if not dtype.is_short:
        return None
    return Rounding(form.matrix, _groups(form, config), config.bits, config.offset, dtype)


def _groups(form: QuadraticForm, config: BCQConfig) -> np.ndarray:
    # Of each column, in the order of the form.
    return (form.order // (config.group_size or len(form.order))).astype(np.int32)


def _begun(matrix, form: QuadraticForm, refit, config: BCQConfig, start) -> _Rows:
    importance = np.broadcast_to(form.importance, matrix.shape)
    plain, planes = start(matrix, importance, dataclasses.replace(config, scale_dtype="float32"))
    state = _Rows(matrix, form, refit, _groups(form, config), config)
    state.begin(plain.astype(np.float64), codes_of(planes, matrix.shape[1])[:, form.order])
    return state


class _Rows:
    """Some rows while they are solved; their columns are in the order of the form."""

    def __init__(self, matrix, form: QuadraticForm, refit: Refit | None, group, config: BCQConfig):
        self.form, self.refit, self.group, self.config = form, refit, group, config
        self.weights = np.ascontiguousarray(matrix[:, form.order], np.float32)
        self.pull = np.empty_like(self.weights)  # errors @ H
        self.best_cost = np.full(len(matrix), np.inf)

    def begin(self, params, codes) -> None:
        """Takes the first candidate: params float64 [m, R, G], codes in the order of the form."""
        self.best_params, self.best_codes = params.copy(), codes.copy()
        self._take(params, codes)
        self._keep_best()

    def solve(self, rounds, rounding: Rounding | None):
        """(params as they are stored, codes uint8 [R, C] in the order of the matrix)."""
        for sweeps in rounds:
            self._feed_back()
            for _ in range(sweeps):
                self._sweep()
                self._refit()
                self._keep_best()
        stored, codes = self._stored(self.best_params, self.best_codes)
        if np.isfinite(stored).all():
            self._take(stored.astype(np.float64), codes)
            for _ in range(LAST_SWEEPS):
                if rounding:
                    rounding(self.params, self.codes, self.errors, self.pull)
                self._sweep()
            stored, codes = self._stored(self.params, self.codes)
        result = np.empty_like(codes)
        result[:, self.form.order] = codes
        return stored, result

    def _stored(self, params, codes):
        # In canonical form, Inf where the dtype cannot hold them: see `solve_in_range`.
        params, codes = canonical(params, codes, self.group, self.config.offset)
        with np.errstate(over="ignore", under="ignore"):
            dtype = SCALE_DTYPES[self.config.scale_dtype]
            return rounded(params, dtype, self.config.offset), codes

    def rough(self) -> np.ndarray:
        """The values after a pass of feedback, float32 [R, C] in the order of the matrix."""
        self._feed_back()
        values = values_of(self.best_codes, self.best_params, self.group, self.config.offset)
        result = np.empty_like(values)
        result[:, self.form.order] = values
        return result

    def _feed_back(self) -> None:
        targets = self.weights.copy()
        for columns, block in self._blocks():
            feedback = self.form.feedback[columns]
            self.codes[:, columns], self.errors[:, columns] = blocks.feed_back(
                block, targets[:, columns], feedback[:, columns]
            )
            behind = slice(columns.stop, None)
            targets[:, behind] += self.errors[:, columns] @ feedback[:, behind]
        np.matmul(self.errors, self.form.matrix, out=self.pull)
        self._keep_best()

    def _sweep(self) -> None:
        for columns, block in self._blocks():
            form, before = self.form.matrix[columns], self.errors[:, columns]
            self.codes[:, columns], errors = blocks.descend(
                block, before, self.pull[:, columns], self.codes[:, columns], form[:, columns]
            )
            self.pull += (errors - before) @ form
            self.errors[:, columns] = errors

    def _blocks(self):
        levels, codes_of = ascending(self.params, self.config.offset)
        for begin in range(0, len(self.group), blocks.WIDTH):
            columns = slice(begin, min(begin + blocks.WIDTH, len(self.group)))
            weights, group = self.weights[:, columns], self.group[columns]
            yield columns, blocks.Block(weights, group, levels, codes_of)

    def _refit(self) -> None:
        params, values, through = self.refit(self.codes, self.pull)
        self.params = self.params + params
        self.errors -= values
        self.pull -= through

    def _keep_best(self) -> None:
        cost = np.einsum("rc,rc->r", self.errors, self.pull, dtype=np.float64)
        better = cost < self.best_cost
        self.best_cost[better] = cost[better]
        self.best_params[:, better] = self.params[:, better]
        self.best_codes[better] = self.codes[better]

    def _take(self, params, codes) -> None:
        self.params, self.codes = params, codes
        values = values_of(codes, params, self.group, self.config.offset)
        self.errors = self.weights - values
        np.matmul(self.errors, self.form.matrix, out=self.pull)
