"""The threads of the compiled core, which the process keeps."""

from __future__ import annotations

import ctypes
import functools
import os

from bcq_tf import native


class Parallel(ctypes.Structure):
    """`bcq_parallel`, see native/core/parallel.h."""

    _fields_ = (
        ("run", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
        ("threads", ctypes.c_int32),
    )


def cores() -> int:
    """Cores that this process may use, where the system tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads(count: int | None = None) -> Parallel:
    """What the functions of the core are handed to run on `count` threads, by default one for each
    core."""
    # By process, since a process that was forked off has none of the threads.
    return _threads(native.core(), os.getpid(), cores() if count is None else count)


@functools.cache
def _threads(core: ctypes.CDLL, process: int, count: int) -> Parallel:
    core.bcq_threads.argtypes, core.bcq_threads.restype = (ctypes.c_int32,), Parallel
    return core.bcq_threads(count)
