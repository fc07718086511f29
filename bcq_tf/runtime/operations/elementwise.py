"""Operations number by number, with NumPy's broadcasting."""

from __future__ import annotations

import functools
import math

import numpy as np

from bcq_tf.runtime.operations.registry import OPERATIONS, declared, operation

_OF_TWO = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
    "floor_mod": np.mod,
    "floor_divide": np.floor_divide,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "atan2": np.arctan2,
}
_OF_ONE = {
    "absolute": np.absolute,
    "negative": np.negative,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "square": np.square,
    "sign": np.sign,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "is_finite": np.isfinite,
    "is_nan": np.isnan,
    "logical_not": np.logical_not,
}


def _of_one(ufunc):
    def run(x):
        return ufunc(x)

    return run


def _of_two(ufunc):
    def run(a, b):
        return ufunc(a, b)

    return run


OPERATIONS |= {name: declared(_of_one(ufunc)) for name, ufunc in _OF_ONE.items()}
OPERATIONS |= {name: declared(_of_two(ufunc)) for name, ufunc in _OF_TWO.items()}


@operation("divide")
def divide(a, b):
    """a / b; of integers their whole quotient, towards 0, and 0 where b is 0."""
    if a.dtype.kind in "iu":
        return (a - np.fmod(a, b)) // b
    return np.divide(a, b)


@operation("divide_no_nan")
def divide_no_nan(a, b):
    """a / b, 0 where b is 0."""
    quotient = np.zeros(np.broadcast_shapes(a.shape, b.shape), a.dtype)
    return np.divide(a, b, out=quotient, where=np.broadcast_to(b != 0, quotient.shape))


@operation("reciprocal")
def reciprocal(x):
    """1 / x."""
    return _constant(x, 1) / x


@operation("rsqrt")
def rsqrt(x):
    """1 / sqrt(x)."""
    return _constant(x, 1) / np.sqrt(x)


@operation("squared_difference")
def squared_difference(a, b):
    """(a - b)^2."""
    return np.square(a - b)


@operation("where")
def where(condition, a, b):
    """a where the condition holds, else b."""
    return np.where(condition, a, b)


@operation("select_rows")
def select_rows(condition, a, b):
    """a[i] where condition[i] holds, else b[i]."""
    return np.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)


@operation("cast")
def cast(x, *, dtype: str):
    """x in another dtype; floating numbers lose what stands behind the point."""
    return np.asarray(x).astype(dtype)


@operation("bitcast")
def bitcast(x, *, dtype: str):
    """The bits of x as numbers of another dtype of as many bytes."""
    return np.asarray(x).view(dtype)


@operation("relu")
def relu(x):
    """max(x, 0)."""
    return np.maximum(x, _constant(x, 0))


@operation("relu6")
def relu6(x):
    """min(max(x, 0), 6)."""
    return np.clip(x, _constant(x, 0), _constant(x, 6))


@operation("leaky_relu")
def leaky_relu(x, *, alpha: float):
    """x, or alpha x where that is negative."""
    return np.where(x > 0, x, x * _constant(x, alpha))


@operation("elu")
def elu(x):
    """x, or exp(x) - 1 where that is negative."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, _constant(x, 0))))


@operation("selu")
def selu(x):
    """Klambauer et al. 2017, "Self-normalizing neural networks"."""
    scale, alpha = 1.0507009873554804934, 1.6732632423543772848
    return _constant(x, scale) * np.where(x > 0, x, _constant(x, alpha) * elu(x))


@operation("sigmoid")
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    one = _constant(x, 1)
    return np.where(x >= 0, one, small) / (one + small)


@operation("softplus")
def softplus(x):
    """log(1 + exp(x))."""
    return np.logaddexp(x, _constant(x, 0))


@operation("softsign")
def softsign(x):
    """x / (1 + |x|)."""
    return x / (_constant(x, 1) + np.abs(x))


@operation("erf")
def erf(x):
    """The error function, to 1e-9."""
    size = np.minimum(np.abs(x), _MOST)
    return (np.sign(x) * _erf_series()(size.astype(np.float64))).astype(x.dtype)


@operation("erfc")
def erfc(x):
    """1 - erf(x)."""
    return _constant(x, 1) - erf(x)


_MOST = 6  # from where erf is 1 in double


@functools.cache
def _erf_series() -> np.polynomial.Chebyshev:
    values = np.vectorize(math.erf)
    return np.polynomial.Chebyshev.interpolate(values, 48, [0, _MOST])


def _constant(x, value):
    # Of the dtype of x, so that half precision stays that.
    return np.asarray(value, x.dtype)
