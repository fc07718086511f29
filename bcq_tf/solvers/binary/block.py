"""`Block`: rows of equal length on their way through a solver."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES, ScaleDtype
from bcq_tf.config import BCQConfig

# Part of the mean that is added to every importance, so that none is zero: estimates of the
# Fisher diagonal are noisy, and a weight of importance zero would be left to chance.
FLOOR = 0.1


@dataclasses.dataclass(frozen=True)
class Block:
    """n rows of C weights, each row scaled by a power of two to magnitudes of at most 1."""

    values: np.ndarray  # float64 [n, C], the scaled weights
    weights: np.ndarray | None  # float64 [n, C], positive importances
    exponents: np.ndarray  # int [n]; row r was divided by 2^exponents[r]
    start: np.ndarray | None  # float64 [m, n], scaled params of an earlier solve, see `levels`
    bits: int
    offset: bool
    scale_dtype: ScaleDtype

    @classmethod
    def make(cls, matrix, importance, start, config: BCQConfig) -> Block:
        """Scales rows of a matrix [n, C] (any float dtype), and `start` [m, n] with them."""
        values = matrix.astype(np.float64)
        exponents = np.frexp(np.abs(values).max(axis=1))[1]
        values = np.ldexp(values, -exponents[:, None])
        if start is not None:
            start = np.ldexp(start, -exponents)
        weights = None if importance is None else regularized(importance)
        dtype = SCALE_DTYPES[config.scale_dtype]
        return cls(values, weights, exponents, start, config.bits, config.offset, dtype)

    @property
    def params(self) -> int:
        """m, the number of params of a row: one a plane, and the offset."""
        return self.bits + self.offset

    def stored(self, params: np.ndarray) -> np.ndarray:
        """Params [m, n] or [m, n, k] as they are stored: unscaled, in `scale_dtype`.

        They are Inf where they are too large for it.
        """
        exponents = self.exponents[:, None] if params.ndim == 3 else self.exponents
        with np.errstate(over="ignore", under="ignore"):
            return rounded(np.ldexp(params, exponents), self.scale_dtype, self.offset)

    def rounded(self, params: np.ndarray) -> np.ndarray:
        """Params [m, n] or [m, n, k] after a trip through `scale_dtype`, scaled again."""
        exponents = self.exponents[:, None] if params.ndim == 3 else self.exponents
        return np.ldexp(self.stored(params).astype(np.float64), -exponents)


def rounded(params: np.ndarray, dtype: ScaleDtype, offset: bool) -> np.ndarray:
    """Params [m, ...] as they are held, scales to the precision of the dtype, an offset to that of
    what holds it."""
    result = dtype.rounded(params)
    if offset:
        result[0] = params[0].astype(dtype.held)
    return result


def canonical(params: np.ndarray, offset: bool) -> np.ndarray:
    """The same levels from non-negative scales in descending order: [m, ...] -> [m, ...]."""
    scales = -np.sort(-np.abs(params[int(offset) :]), axis=0)
    return np.concatenate([params[:1], scales]) if offset else scales


def params_of(codes: BinaryCodes, bits: int, rows: slice = slice(None)) -> np.ndarray:
    """The offset, if there is one, and the first `bits` scales of some rows: float64 [m, R, G]."""
    scales = [scale[rows] for scale in codes.scales[:bits]]
    offset = [] if codes.offset is None else [codes.offset[rows]]
    return np.stack(offset + scales).astype(np.float64)


def regularized(importance: np.ndarray) -> np.ndarray:
    """Importances [n, C] as the solvers use them, float64 and positive.

    h / mean(h) + 0.1, by row; 1 where a row is all zero.
    """
    # Divide by the largest first: sums of huge importances must not overflow.
    importance = importance.astype(np.float64)
    largest = importance.max(axis=1, keepdims=True)
    unused = largest == 0
    scaled = importance / np.where(unused, 1, largest)
    mean = scaled.mean(axis=1, keepdims=True)
    return np.where(unused, 1.0, scaled / np.where(unused, 1, mean) + FLOOR)
