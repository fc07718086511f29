"""The alternating solver of the compiled core, see native/core/solver/solver.h.

The plans, starts and noise of the search are those of the NumPy solver: the core is handed them.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from bcq_tf import native
from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.packing import words_per_row
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import BCQConfig
from bcq_tf.pool import threads
from bcq_tf.solvers.binary import alternating
from bcq_tf.solvers.binary.block import params_of
from bcq_tf.solvers.binary.starts import MAX_TABULATED, noise, start_scales

SLAB_WEIGHTS = 1 << 22  # handed over at once, so that copies of another dtype stay small
LONGEST = 1 << 30  # columns of a group that the core takes
_MAX_PARAMS = 9
_NO_MEMORY = 3  # a bcq_status


class _Problem(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("group_size", ctypes.c_int64),
        ("bits", ctypes.c_int32),
        ("offset", ctypes.c_int32),
        ("scale_type", ctypes.c_int32),
        ("is_double", ctypes.c_int32),
        ("values", ctypes.c_void_p),
        ("importance", ctypes.c_void_p),
    )


class _Search(ctypes.Structure):
    _fields_ = (
        ("rounds", ctypes.c_int32),
        ("batches", ctypes.c_int32),
        ("elites", ctypes.c_int32),
        ("polished", ctypes.c_int32),
        ("starts", ctypes.c_void_p * (MAX_TABULATED + 1)),
        ("noise", ctypes.c_void_p * (_MAX_PARAMS + 1)),
        ("growth", ctypes.c_void_p * (_MAX_PARAMS + 1)),
    )


def takes(columns: int, group_size: int | None) -> bool:
    """Whether the core is there and groups are not too long for it."""
    return min(columns, group_size or columns) <= LONGEST and native.core() is not None


def solve(matrix, importance, start: BinaryCodes | None, config: BCQConfig, effort: str):
    """The alternating solver; see `bcq_tf.solvers.quantize`, which has checked the arguments.

    Returns:
        (params [m, R, G] in the scale dtype; planes, a list of uint32 arrays [R, words]).
    """
    groups = 1 if config.group_size is None else -(-matrix.shape[1] // config.group_size)
    params = np.empty(
        (config.bits + config.offset, len(matrix), groups), SCALE_DTYPES[config.scale_dtype].held
    )
    planes = _empty_planes(config.bits, matrix.shape)
    search = _search(config.bits, config.offset, effort)
    for slab in _slabs(matrix.shape):
        problem = _Slab(matrix[slab], None if importance is None else importance[slab], config)
        old = None if start is None else np.ascontiguousarray(params_of(start, config.bits, slab))
        found = np.empty(params[:, slab].shape)
        problem.solve(search, old, found, [plane[slab] for plane in planes])
        params[:, slab] = found
    return params, planes


class _Slab:
    """Some rows of a problem, contiguous and of one dtype, float32 or float64."""

    def __init__(self, values, importance, config: BCQConfig):
        given = [array for array in (values, importance) if array is not None]
        dtype = np.result_type(np.float32, *given)
        self.arrays = [np.ascontiguousarray(array, dtype) for array in given]
        rows, columns = values.shape
        self.problem = _Problem(
            rows,
            columns,
            min(columns, config.group_size or columns),
            config.bits,
            config.offset,
            SCALE_DTYPES[config.scale_dtype].native,
            dtype == np.float64,
            *(array.ctypes.data for array in self.arrays),
        )

    def solve(self, search: _Search | None, start, params, planes: list) -> None:
        """`bcq_solve` with all cores: writes `params` and the planes."""
        pointers = [_pointer(argument) for argument in (search, start, params, planes)]
        status = native.core().bcq_solve(ctypes.byref(self.problem), *pointers, threads())
        if status == _NO_MEMORY:
            raise MemoryError("The compiled solver has too little memory")
        if status:
            raise RuntimeError(f"The compiled solver failed: status {status}")


def _pointer(argument):
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    if isinstance(argument, list):
        return (ctypes.c_void_p * len(argument))(*(array.ctypes.data for array in argument))
    return argument if argument is None else ctypes.byref(argument)


@functools.lru_cache(maxsize=64)
def _search(bits: int, offset: bool, effort: str) -> _Search | None:
    most = bits + offset
    if effort == "warm":
        return None
    if most <= 2:
        return _Search()  # solved exactly
    plan = alternating.PLANS[effort, offset][bits]
    search = _Search(plan.rounds, plan.batches, plan.elites, plan.polished)
    search.arrays = []  # what is pointed to lives as long as the search

    def pointer(array: np.ndarray) -> int:
        search.arrays.append(np.ascontiguousarray(array))
        return search.arrays[-1].ctypes.data

    for b in range(2, min(bits, MAX_TABULATED) + 1):
        search.starts[b] = pointer(start_scales(b))
    for m in range(3, most + 1):
        change = noise(plan.batches, m)
        search.noise[m], search.growth[m] = pointer(change), pointer(np.exp(change))
    return search


def _slabs(shape) -> list[slice]:
    step = max(1, SLAB_WEIGHTS // shape[1])
    return [slice(begin, begin + step) for begin in range(0, shape[0], step)]


def _empty_planes(bits: int, shape) -> list[np.ndarray]:
    return [np.empty((shape[0], words_per_row(shape[1])), np.uint32) for _ in range(bits)]
