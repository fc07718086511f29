"""Unpickling of containers, numbers, strings and NumPy arrays, in bounded time and memory.

Nothing in a pickle is called, and nothing is hashed, compared or shown whose size is not known:
containers that hold one another many times over have exponentially many parts.
"""

from __future__ import annotations

import io
import math
import pickle

import numpy as np

from bcq_tf.files.container import MAX_RANK, FileFormatError
from bcq_tf.shown import short

MAX_OPERATIONS = 1 << 18  # of a pickle; a quantized weight takes about 130
MAX_KEY = 1000  # characters of a key
_DTYPE_NAMES = {"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "O8"}
_MOST_ARGUMENTS = 8  # of a call; np.save writes three


def unpickle(stream: io.BytesIO):
    """The value that a pickle holds, arrays as `PickledArray`; the stream then stands behind it.

    Raises:
        FileFormatError: it is damaged, too long, or holds something else, which is named.
    """
    try:
        return _Unpickler(stream).load()
    except FileFormatError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        kind = type(error).__name__
        raise FileFormatError(f"its pickle is damaged: {kind}: {short(str(error))}") from None


def are_counts(shape) -> bool:
    """Whether this is a tuple of sizes that an array may have."""
    legal = isinstance(shape, tuple) and len(shape) <= MAX_RANK
    return legal and all(type(n) is int and 0 <= n < 2**63 for n in shape)


class PickledArray:
    """Takes the place of an array while unpickling: keeps what was pickled, for `value`."""

    state = None

    def __init__(self, *_):
        pass  # the arguments stand for an empty array, which the state then fills

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, data = state
        if not isinstance(dtype, _Dtype) or not are_counts(shape):
            raise FileFormatError("an array in it has no valid shape and dtype")
        self.state = shape, dtype, bool(fortran_order), data

    def value(self):
        """A read-only array; for an array of objects, a list of them."""
        if self.state is None:
            raise FileFormatError("an array in it is unfinished")
        shape, dtype, fortran_order, data = self.state
        if dtype.name == "O8":
            return self._objects(shape, data)
        if not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
            raise FileFormatError(f"an array in it does not fill its shape {short(shape)}")
        try:
            return dtype.decode(data).reshape(shape, order="F" if fortran_order else "C")
        except (ValueError, OverflowError):  # too many or too large dimensions, beside a 0
            raise FileFormatError(f"an array in it cannot be of shape {short(shape)}") from None

    @staticmethod
    def _objects(shape, data):
        if not isinstance(data, list) or len(data) != math.prod(shape):
            raise FileFormatError(f"an array in it does not fill its shape {short(shape)}")
        return data if shape else data[0]


class _Dtype:
    """Takes the place of a dtype while unpickling."""

    def __init__(self, name, *_):
        if not isinstance(name, str) or name not in _DTYPE_NAMES:
            raise FileFormatError(f"an array in it has the dtype {short(name)}")
        self.name, self.itemsize, self.order = name, int(name[1:]), "<"

    def __setstate__(self, state):
        order = state[1]
        if not isinstance(order, str) or order not in ("<", ">", "|"):
            raise FileFormatError(f"an array in it has the byte order {short(order)}")
        self.order = order

    def decode(self, data: bytes) -> np.ndarray:
        stored = np.dtype(self.name).newbyteorder(self.order)
        array = np.frombuffer(data, stored).astype(stored.newbyteorder("="), copy=False)
        array.flags.writeable = False
        return array


class _Scalar:
    """Takes the place of `numpy.core.multiarray.scalar`: becomes a Python number."""

    def __new__(cls, dtype, data):
        if len(data) != dtype.itemsize:
            raise FileFormatError("a number in it has not the size of its dtype")
        return dtype.decode(data)[0].item()

    def __setstate__(self, state):
        raise FileFormatError("a number in it has a state")


# All of them have `__setstate__`, without which unpickling would set any attribute that it is told.
_GLOBALS = {("numpy", "ndarray"): PickledArray, ("numpy", "dtype"): _Dtype}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and 2
    _GLOBALS |= {(_module, "_reconstruct"): PickledArray, (_module, "scalar"): _Scalar}


def _check_keys(keys: list) -> None:
    for key in keys:
        if not isinstance(key, (str, int)):
            raise FileFormatError(f"it has a key of type {type(key).__name__}")
        if len(key) > MAX_KEY if isinstance(key, str) else key.bit_length() > 64:
            raise FileFormatError(f"it has the key {short(key)}, which is too long")


def _check_arguments(arguments) -> None:
    if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
        raise FileFormatError("it has a call that makes no array")


def _refuse(what: str):
    def refuse(stack):
        raise FileFormatError(f"it holds {what}, which is refused")

    return refuse


# By the code of an operation: takes the stack, raises where the operation is not to be done. Those
# that are refused np.save never writes of such a file: they take memory before the bytes are
# there, hash what they are given, or make objects past `__init__`.
_CHECKS = {
    pickle.SETITEM[0]: lambda stack: _check_keys(stack[-2:-1]),
    pickle.SETITEMS[0]: lambda stack: _check_keys(stack[::2]),
    pickle.DICT[0]: lambda stack: _check_keys(stack[::2]),
    pickle.REDUCE[0]: lambda stack: _check_arguments(stack[-1]),
    pickle.BYTEARRAY8[0]: _refuse("a bytearray"),
    **dict.fromkeys(
        map(ord, (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET)), _refuse("a set")
    ),
    **dict.fromkeys(
        map(ord, (pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.INST, pickle.OBJ)), _refuse("an object")
    ),
}


class _Unpickler(pickle._Unpickler):
    # The one in Python, not in C: a length in the stream makes it take no memory before the bytes
    # are there, and its operations can be checked.

    @property
    def dispatch(self):
        return _Operations(self)

    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise FileFormatError(f"it refers to {short(f'{module}.{name}')}, which is refused")
        return _GLOBALS[module, name]


class _Operations:
    """The operations of an unpickler by their code; counts and checks them."""

    def __init__(self, unpickler: _Unpickler):
        self._unpickler = unpickler
        self._count = 0

    def __getitem__(self, code: int):
        self._count += 1
        if self._count > MAX_OPERATIONS:
            raise FileFormatError(f"its pickle has more than {MAX_OPERATIONS} operations")
        if code in _CHECKS:
            _CHECKS[code](self._unpickler.stack)
        return pickle._Unpickler.dispatch[code]
