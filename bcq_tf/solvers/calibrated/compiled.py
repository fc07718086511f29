"""Columns of a block by the compiled core, see native/core/quadratic/quadratic.h."""

from __future__ import annotations

import ctypes

import numpy as np

from bcq_tf import native
from bcq_tf.pool import threads


class _Block(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("groups", ctypes.c_int64),
        ("levels", ctypes.c_int64),
        ("group_of", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("codes_of", ctypes.c_void_p),
        ("matrix", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
    )


def usable() -> bool:
    """Whether the core is there."""
    return native.core() is not None


def feed_back(block, targets, feedback):
    """See `blocks.feed_back`."""
    codes, errors = np.zeros(targets.shape, np.uint8), np.zeros(targets.shape, np.float32)
    _call("bcq_feed_back", block, targets, feedback, codes, errors)
    return codes, errors


def descend(block, errors, pull, codes, form):
    """See `blocks.descend`."""
    codes, errors = np.array(codes, order="C"), np.array(errors, order="C")
    _call("bcq_descend", block, pull, form, codes, errors)
    return codes, errors


def _call(name, block, targets, matrix, codes, errors) -> None:
    given = block.group, block.levels, block.codes_of, matrix, block.weights
    arrays = [np.ascontiguousarray(array) for array in (*given, targets)]
    _, groups, levels = block.levels.shape
    pointers = [array.ctypes.data for array in arrays]
    argument = _Block(*block.weights.shape, groups, levels, *pointers[:-1])
    others = (ctypes.c_void_p(p) for p in (pointers[-1], codes.ctypes.data, errors.ctypes.data))
    status = getattr(native.core(), name)(ctypes.byref(argument), *others, threads())
    if status:
        raise MemoryError("The compiled solver has too little memory")
