"""The compiled core's runner of graphs, see native/runtime/bcq_graph.h."""

from __future__ import annotations

import ctypes
import functools
import threading
import weakref

import numpy as np

from bcq_tf import native, pool
from bcq_tf.files.container import DTYPES
from bcq_tf.pool import Parallel

OK, NO_MEMORY = 0, 3  # of `bcq_status`
_CODES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U64",
          "U32", "U16", "U8", "BOOL")  # fmt: skip
TYPES = [DTYPES.get(code) for code in _CODES]
"""Dtypes in the order of `bcq_dtype`; None: of a package that is not installed."""


class RefusedError(Exception):
    """The runner does not do it; its message says why."""


class Array(ctypes.Structure):
    """`bcq_array`."""

    _fields_ = (
        ("dtype", ctypes.c_int),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
    )

    @classmethod
    def of(cls, array: np.ndarray) -> Array:
        """A contiguous array in its own memory, which `array` must outlive.

        Raises:
            RefusedError: it is of a dtype that files do not have.
        """
        if array.dtype not in TYPES:
            raise RefusedError(f"arrays of {array.dtype}")
        lengths = (ctypes.c_int64 * array.ndim)(*array.shape)
        return cls(TYPES.index(array.dtype), array.ndim, lengths, array.ctypes.data, array.nbytes)

    def value(self) -> np.ndarray:
        """A copy of its numbers."""
        found = np.empty(self.shape[: self.rank] if self.rank else (), TYPES[self.dtype])
        if self.bytes:
            ctypes.memmove(found.ctypes.data, self.data, self.bytes)
        return found


class CompiledGraph:
    """The functions of a file's graph, run by the core. Any number of threads may use it at once.

    Args:
        buffer: the file's bytes, uint8, checked by the reader of Python.
        threads: how many a product may use; None: one for each core.

    Raises:
        RefusedError: the runner does not take the file.
    """

    def __init__(self, buffer: np.ndarray, threads: int | None):
        self._threads = threads
        self._opened = _Opened(buffer)
        self._loaded = threading.local()  # a model is for one thread
        self._model()

    @classmethod
    def of(cls, buffer: np.ndarray, threads: int | None) -> CompiledGraph | None:
        """None: there is no core here, or it does not take the file."""
        if native.core() is None:
            return None
        try:
            return cls(buffer, threads)
        except RefusedError:
            return None

    def run(self, name: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The outputs of the function `name`.

        Raises:
            RefusedError: the inputs are not what its operations take, or of dtypes that they do not
                compute with.
            MemoryError: there is too little.
        """
        call, called = _functions(), name.encode()
        kept = [np.require(each, requirements="CA") for each in inputs]
        given = (Array * len(kept))(*map(Array.of, kept))
        model = self._model()
        outputs = (Array * call["bcq_output_count"](model, called))()
        message = _Message()
        status = call["bcq_run"](
            model, called, given, len(given), outputs, len(outputs),
            pool.threads(self._threads), *message.arguments,
        )  # fmt: skip
        message.check(status)
        return [each.value() for each in outputs]

    def _model(self):
        if not hasattr(self._loaded, "model"):
            self._loaded.model = _Loaded(self._opened)
        return self._loaded.model.pointer


class _Message:
    # Where a function of the core says what is wrong.
    def __init__(self):
        self._text = ctypes.create_string_buffer(1000)
        self.arguments = self._text, len(self._text)

    def check(self, status: int) -> None:
        if status == NO_MEMORY:
            raise MemoryError(self._text.value.decode())
        if status != OK:
            raise RefusedError(self._text.value.decode())


class _Opened:
    # A file's bytes, opened by the core for as long as this is held.
    def __init__(self, buffer: np.ndarray):
        self.buffer, self.pointer, message = buffer, ctypes.c_void_p(), _Message()
        place = ctypes.byref(self.pointer)
        at = buffer.ctypes.data
        message.check(_functions()["bcq_open_memory"](at, len(buffer), place, *message.arguments))
        weakref.finalize(self, _functions()["bcq_close"], self.pointer)


class _Loaded:
    # The graph of an opened file, for one thread.
    def __init__(self, opened: _Opened):
        self.opened, self.pointer, message = opened, ctypes.c_void_p(), _Message()
        place = ctypes.byref(self.pointer)
        message.check(_functions()["bcq_load"](opened.pointer, place, *message.arguments))
        _functions()["bcq_set_limits"](self.pointer, 0, 0)  # NumPy has none either
        weakref.finalize(self, _unload, self.pointer, opened)


def _unload(pointer, opened: _Opened) -> None:
    del opened  # which is there until now
    _functions()["bcq_unload"](pointer)


@functools.cache
def _functions() -> dict:
    # Functions of their own, so that nobody else's argument types change.
    pointer, text, count = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
    status, size = ctypes.c_int, ctypes.c_size_t
    types = {
        "bcq_open_memory": (status, pointer, size, pointer, pointer, size),
        "bcq_close": (None, pointer),
        "bcq_load": (status, pointer, pointer, pointer, size),
        "bcq_unload": (None, pointer),
        "bcq_output_count": (count, pointer, text),
        "bcq_set_limits": (None, pointer, count, count),
        "bcq_run": (status, pointer, text, pointer, count, pointer, count, Parallel, pointer, size),
    }
    return {name: ctypes.CFUNCTYPE(*of)((name, native.core())) for name, of in types.items()}
