"""How an op is computed: compiled, in plain TensorFlow ops, or as an export needs it.

Each op is declared once, as an `Op` with its compiled and its plain function; whoever calls it gets
the one that can run here.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Callable, Mapping

import tensorflow as tf

from bcq_tf import native

BITWISE = "operations on bits"
GATHER_HALF = "gathers of float16"
_others = contextvars.ContextVar("bcq_tf_others", default=None)
_lacking = contextvars.ContextVar("bcq_tf_lacking", default=())


@dataclasses.dataclass(frozen=True, eq=False)
class Op:
    """An op, called as either of its functions, which take the same arguments."""

    compiled: Callable  # with the compiled library
    portable: Callable  # in plain TensorFlow ops
    on_gpu: bool = True  # whether the compiled one is of use where TensorFlow sees a GPU

    def __call__(self, *arguments, **named):
        return self.chosen(*arguments, **named)

    @property
    def chosen(self) -> Callable:
        """The function that computes it here."""
        others = _others.get()
        if others is not None:
            return others.get(self, self.portable)
        can_run = library() is not None and (self.on_gpu or not has_gpu())
        return self.compiled if can_run else self.portable

    @property
    def is_compiled(self) -> bool:
        """Whether that is the compiled one."""
        return self.chosen is self.compiled


def portable_ops():
    """Within this context the ops are plain TensorFlow ops, as are those of functions traced in it.

    For a SavedModel that has to run where bcq_tf is not installed.
    """
    return using({})


def using(others: Mapping[Op, Callable]):
    """Within this context these functions compute these ops, plain TensorFlow ops all others."""
    return _within(_others, others)


def lacking(*operations: str):
    """Within this context ops do without `operations` of TensorFlow, as do functions traced in it.

    For a program that has no such operations and will run the traced function.
    """
    return _within(_lacking, operations)


def lacks(operation: str) -> bool:
    """Whether ops must do without `operation`."""
    return operation in _lacking.get()


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


@functools.cache
def library():
    """The module of the compiled ops, None where they cannot be used."""
    path = native.library(native.TF_OPS)
    if path is None:
        return None
    # Those that register the same ops for XLA and for CUDA devices.
    names = [native.XLA]
    if has_gpu() and native.library(native.CUDA):
        names.append(native.TF_GPU)
    try:
        loaded = tf.load_op_library(str(path))
        for other in filter(None, map(native.library, names)):
            tf.load_library(str(other))
    except (tf.errors.OpError, RuntimeError) as error:
        native.refuse(native.NativeLibraryError(f"The compiled library {path}: {error}"))
        return None
    return loaded


@contextlib.contextmanager
def _within(variable: contextvars.ContextVar, value):
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
