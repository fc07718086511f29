"""The compiled core by ctypes: its structures and the functions that the runtime calls."""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from bcq_tf import native
from bcq_tf.pool import Parallel

BAD_ID = 2  # a bcq_status
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}
"""`bcq_type` by dtype."""

_Bytes = ctypes.c_char * 0
_POINTER, _COUNT, _NUMBER = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32


class Matrix(ctypes.Structure):
    """`bcq_matrix`, see native/core/matrix.h."""

    _fields_ = (
        ("rows", _COUNT),
        ("columns", _COUNT),
        ("group_size", _COUNT),
        ("bits", _NUMBER),
        ("scale_type", _NUMBER),
        ("plane_rows", _POINTER),
        ("tiles", _POINTER),
        ("scales", _POINTER),
        ("offset", _POINTER),
        ("row_order", _POINTER),
        ("row_place", _POINTER),
    )


class Ids(ctypes.Structure):
    """`bcq_ids`, see native/core/ids.h."""

    _fields_ = (("data", _POINTER), ("bytes", _NUMBER))


class Uniform(ctypes.Structure):
    """`bcq_uniform`, see native/core/lookup/lookup.h."""

    _fields_ = (
        ("rows", _COUNT),
        ("columns", _COUNT),
        ("bits", _NUMBER),
        ("half_step", ctypes.c_float),
        ("packed", _POINTER),
        ("zero_rows", _POINTER),
    )


class Compositional(ctypes.Structure):
    """`bcq_compositional`, see native/core/lookup/lookup.h."""

    _fields_ = (
        ("rows", _COUNT),
        ("count", _COUNT),
        ("entries", _COUNT),
        ("columns", _COUNT),
        ("bits", _NUMBER),
        ("type", _NUMBER),
        ("packed", _POINTER),
        ("codebooks", _POINTER),
    )


_ARGUMENTS = {
    "bcq_product": (_POINTER, _NUMBER, _NUMBER, _POINTER, _COUNT, _POINTER, Parallel),
    "bcq_gather": (_POINTER, _POINTER, _COUNT, _NUMBER, _POINTER, _POINTER, Parallel),
    "bcq_uniform_rows": (_POINTER, Ids, _COUNT, _POINTER, _POINTER, Parallel),
    "bcq_compositional_rows": (_POINTER, Ids, _COUNT, _POINTER, _POINTER, Parallel),
}


@functools.cache
def function(name: str):
    """A function of the core; None: there is no core here."""
    if native.core() is None:
        return None
    # Functions of their own, so that nobody else's argument types change.
    prototype = ctypes.CFUNCTYPE(_NUMBER, *_ARGUMENTS[name])
    return prototype((name, native.core()))


def address(array: np.ndarray):
    """Where the data of a contiguous array stand, as an argument of a function of the core.

    Of arrays that may be written in a quarter of the time that `array.ctypes.data` takes.
    """
    return _Bytes.from_buffer(array) if array.flags.writeable else array.ctypes.data


def pointer(array: np.ndarray | None) -> int | None:
    """Where an array's data stand, as a field of a structure."""
    return None if array is None else array.ctypes.data


def check(status: int) -> None:
    """Raises for what a function of the core returns, but for `BAD_ID`."""
    if status:
        raise MemoryError("The compiled core has too little memory")
