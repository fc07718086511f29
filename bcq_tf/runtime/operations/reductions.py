"""Operations that take many numbers to one, and those of a whole axis."""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import OPERATIONS, declared, operation

_REDUCTIONS = {
    "sum": np.sum,
    "product": np.prod,
    "max": np.max,
    "min": np.min,
    "all": np.all,
    "any": np.any,
}


def _reduction(function):
    def run(x, axes, *, keep: bool):
        result = function(x, axis=tuple(np.atleast_1d(axes)), keepdims=keep)
        return np.asarray(result, x.dtype)

    return run


OPERATIONS |= {f"reduce_{name}": declared(_reduction(f)) for name, f in _REDUCTIONS.items()}


@operation("reduce_mean")
def reduce_mean(x, axes, *, keep: bool):
    """The mean, of integers towards 0."""
    axes = tuple(np.atleast_1d(axes))
    if x.dtype.kind in "iu":
        return np.trunc(np.mean(x, axes, keepdims=keep)).astype(x.dtype)
    return np.mean(x, axes, dtype=x.dtype, keepdims=keep)


@operation("argmax")
def argmax(x, axis, *, dtype: str):
    """Where the first of the largest stands."""
    return np.argmax(x, int(axis)).astype(dtype)


@operation("argmin")
def argmin(x, axis, *, dtype: str):
    """Where the first of the smallest stands."""
    return np.argmin(x, int(axis)).astype(dtype)


@operation("softmax")
def softmax(x):
    """exp(x) over its sum, along the last axis."""
    powers = np.exp(x - np.max(x, -1, keepdims=True))
    return powers / np.sum(powers, -1, keepdims=True)


@operation("log_softmax")
def log_softmax(x):
    """The logarithm of softmax."""
    shifted = x - np.max(x, -1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True))
