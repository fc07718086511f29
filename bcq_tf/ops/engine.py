"""Which set of ops runs: the compiled one, plain TensorFlow, or one that an export needs."""

from __future__ import annotations

import contextlib
import contextvars
from typing import Any

from bcq_tf.ops import compiled, portable

_chosen = contextvars.ContextVar("bcq_tf_engine", default=None)


def portable_ops():
    """Within this context the ops are plain TensorFlow ops, as are those of functions traced in it.

    For a SavedModel that has to run where bcq_tf is not installed.
    """
    return using(portable)


@contextlib.contextmanager
def using(chosen: Any):
    """Within this context the ops are those of `chosen`, which has functions as `compiled` has."""
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


def engine() -> Any:
    """What `using` says; else `compiled`, or `portable` where the library is not loaded."""
    return _chosen.get() or (compiled if compiled.available() else portable)
