"""The threads of the compiled core, as many as this process has cores."""

from __future__ import annotations

import ctypes

from bcq_tf import native
from bcq_tf.solvers import spans


class Parallel(ctypes.Structure):
    """`bcq_parallel`, see native/core/parallel.h."""

    _fields_ = (
        ("run", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
        ("threads", ctypes.c_int32),
    )


def threads() -> Parallel:
    """What the functions of the core are handed to run on all cores."""
    core = native.core()
    core.bcq_threads.restype = Parallel
    return core.bcq_threads(spans.cores())
