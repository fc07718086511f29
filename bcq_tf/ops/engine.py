"""Which of the two sets of ops runs: the compiled one or plain TensorFlow."""

from __future__ import annotations

import contextlib
import contextvars
from types import ModuleType

from bcq_tf.ops import compiled, portable

_only_portable = contextvars.ContextVar("bcq_tf_only_portable", default=False)


@contextlib.contextmanager
def portable_ops():
    """Within this context the ops are plain TensorFlow ops, as are those of functions traced in it.

    For a SavedModel that has to run where bcq_tf is not installed.
    """
    token = _only_portable.set(True)
    try:
        yield
    finally:
        _only_portable.reset(token)


def engine() -> ModuleType:
    """`compiled`, or `portable` where it is asked for or the library is not loaded."""
    return portable if _only_portable.get() or not compiled.available() else compiled
