"""Reading the pickled `.bcq.npy` files of transformer_bcq without running anything in them.

Such a file is `np.save` of a dict of lists: by layer, its weights in Keras' order, each a float
array or a dict with

    num_bits      q
    w_orig_shape  shape of the weight
    w_2d_shape    [R, C]: the weight with all axes but the last made one, and then transposed
                  where `transpose` is set (it is for the output projection alone)
    bits          uint8 [R, ceil(C / 8), q], np.packbits along axis 1: the first column of eight is
                  the most significant bit, and 1 means +1
    alphas        float64 [R, q], the scale of each row and bit

and `test_integrity` and `shape`, which say nothing more.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os
import pickle
import re
import stat
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from bcq_tf import packing
from bcq_tf.codes import BinaryCodes
from bcq_tf.config import check_bits
from bcq_tf.container import FileFormatError, short

_NPY_PATTERN = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '\|O', 'fortran_order': \w+, 'shape': \([\d, ]*\), \} *\n",
    re.DOTALL,
)
_DTYPE_NAMES = {"b1", "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "O8"}
_MAX_NESTING = 4
_NPY_HEADER_BYTES = 256  # enough for the shape of any array


@dataclasses.dataclass(frozen=True, eq=False)
class LegacyWeight:
    """A quantized weight of a legacy file.

    The file's scales run over rows of the weight seen as [all axes but the last, last axis],
    transposed where `transpose` is set. For an embedding and a transposed output projection these
    are the rows that this library uses; for other kernels [in, out] they are inputs, not outputs,
    so the codes are exact, but no codes of the kernel's usual matrix view: give such a layer the
    float weight, or quantize that anew.

    Attributes:
        codes: `BinaryCodes` of the matrix [R, C], with float64 scales [R, 1] as in the file.
        shape: the weight's shape in the model.
        transpose: whether the matrix is the transposed one.
    """

    codes: BinaryCodes
    shape: tuple[int, ...]
    transpose: bool

    def reconstruct(self) -> np.ndarray:
        """The weight, float32 of `shape`."""
        matrix = self.codes.reconstruct()
        return (matrix.T if self.transpose else matrix).reshape(self.shape)


def read_legacy(path) -> dict[str, LegacyWeight | np.ndarray]:
    """Reads a pickled `.bcq.npy` file of transformer_bcq.

    The pickle may hold containers, numbers, strings and NumPy arrays. A reference to anything else
    is refused, and not even NumPy's own unpickling functions are called.

    Args:
        path: the file.

    Returns:
        A dict in the file's order, from "layer/0", "layer/1", ... (the file's key and the place
        in its list) to a `LegacyWeight`, or a read-only array where the weight was not quantized.

    Raises:
        FileFormatError: the file is damaged, of another kind, or refers to something that is not
            allowed, which is named.
        FileNotFoundError, OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _named(_weights(_unpickle(data), "", set(), 0))
    except FileFormatError as error:
        raise FileFormatError(f"'{path}' is not a transformer_bcq file: {error}") from None


def is_legacy(path) -> bool:
    """Whether a regular file begins as one that `read_legacy` reads.

    Raises:
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        return _NPY_PATTERN.match(file.read(_NPY_HEADER_BYTES)) is not None


def _unpickle(data: bytes):
    header = _NPY_PATTERN.match(data)
    if header is None:
        raise FileFormatError("it does not begin with the .npy header of pickled objects")
    stream = io.BytesIO(data)
    stream.seek(header.end())
    try:
        value = _Unpickler(stream).load()
    except FileFormatError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        kind = type(error).__name__
        raise FileFormatError(f"its pickle is damaged: {kind}: {short(str(error))}") from None
    if stream.read(1):
        raise FileFormatError("it has bytes after its end")
    return value


class _Array:
    """Takes the place of an array while unpickling: keeps what was pickled, for `value`."""

    state = None

    def __init__(self, *_):
        pass  # the arguments stand for an empty array, which the state then fills

    def __setstate__(self, state):
        _, shape, dtype, fortran_order, data = state
        if not isinstance(dtype, _Dtype) or not _are_counts(shape):
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

    name, itemsize, order = "u1", 1, "|"  # for one that is made without `__init__`

    def __init__(self, name, *_):
        if name not in _DTYPE_NAMES:
            raise FileFormatError(f"an array in it has the dtype {short(name)}")
        self.name, self.itemsize, self.order = name, int(name[1:]), "<"

    def __setstate__(self, state):
        self.order = state[1]
        if self.order not in ("<", ">", "|"):
            raise FileFormatError(f"an array in it has the byte order {short(self.order)}")

    def decode(self, data: bytes) -> np.ndarray:
        stored = np.dtype(self.name).newbyteorder(self.order)
        array = np.frombuffer(data, stored).astype(stored.newbyteorder("="), copy=False)
        array.flags.writeable = False
        return array


class _Scalar:
    """Takes the place of `numpy.core.multiarray.scalar`: becomes a Python number."""

    def __new__(cls, dtype, data):
        return dtype.decode(data)[0].item()

    def __setstate__(self, state):
        raise FileFormatError("a number in it has a state")


# All of them have `__setstate__`, without which unpickling would set any attribute that it is told.
_GLOBALS = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Dtype}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and 2
    _GLOBALS |= {(_module, "_reconstruct"): _Array, (_module, "scalar"): _Scalar}


class _Unpickler(pickle._Unpickler):
    # The one in Python, not in C: a length in the stream makes it take no memory before the bytes
    # are there. The exception is this operation, which np.save never writes.
    dispatch: ClassVar[dict] = {
        code: function
        for code, function in pickle._Unpickler.dispatch.items()
        if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise FileFormatError(f"it refers to {short(f'{module}.{name}')}, which is refused")
        return _GLOBALS[module, name]


def _named(pairs: Iterable) -> dict:
    result = {}
    for name, weight in pairs:
        if name in result:
            raise FileFormatError(f"it has two weights {short(name)}")
        result[name] = weight
    return result


def _weights(value, name: str, seen: set[int], depth: int):
    """Yields (name, weight) of everything below `value`."""
    if isinstance(value, _Array):
        value = value.value()
    if isinstance(value, np.ndarray):
        yield name, value
        return
    if not isinstance(value, (dict, list, tuple)) or depth > _MAX_NESTING:
        kind = f"a value of type {type(value).__name__}"
        raise FileFormatError(f"it has {kind} where a weight should be ({short(name)})")
    # No such file has a container twice; a forged one could have it a trillion times.
    if id(value) in seen:
        raise FileFormatError(f"it has one container in two places ({short(name)})")
    seen.add(id(value))
    if isinstance(value, dict) and "bits" in value:
        yield name, _legacy_weight(value, name)
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if not isinstance(key, (str, int)):
            raise FileFormatError(f"it has a key of type {type(key).__name__}")
        yield from _weights(item, f"{name}/{key}" if name else str(key), seen, depth + 1)


def _legacy_weight(fields: dict, name: str) -> LegacyWeight:
    try:
        shape, transpose = tuple(fields["w_orig_shape"]), bool(fields["transpose"])
        rows, columns = _matrix_shape(fields["w_2d_shape"])
        bits, alphas = _array(fields, "bits"), _array(fields, "alphas")
        codes = _codes(bits, alphas, fields["num_bits"], rows, columns)
    except FileFormatError:
        raise
    except KeyError as error:
        raise FileFormatError(f"weight {short(name)} lacks {error}") from None
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"weight {short(name)}: {str(error)[:300]}") from None
    matrix = (columns, rows) if transpose else (rows, columns)
    if not _are_counts(shape) or not shape or matrix != (math.prod(shape[:-1]), shape[-1]):
        raise FileFormatError(
            f"weight {short(name)} of shape {short(shape)} is no matrix {[rows, columns]}"
        )
    return LegacyWeight(codes, shape, transpose)


def _matrix_shape(value) -> tuple[int, int]:
    if not _are_counts(tuple(value)) or len(value) != 2:
        raise ValueError(f"`w_2d_shape` must be two sizes. Received: {short(value)}")
    return tuple(value)


def _array(fields: dict, name: str) -> np.ndarray:
    value = fields[name].value() if isinstance(fields[name], _Array) else None
    if not isinstance(value, np.ndarray):
        raise ValueError(f"`{name}` must be an array of numbers")
    return value


def _codes(bits, alphas, num_bits, rows: int, columns: int) -> BinaryCodes:
    check_bits(num_bits)
    if bits.dtype != np.uint8 or bits.shape != (rows, -(-columns // 8), num_bits):
        raise ValueError(f"`bits` do not fit {num_bits} bits of [{rows}, {columns}]")
    if alphas.shape != (rows, num_bits):
        raise ValueError(f"`alphas` must be {[rows, num_bits]}. Received: {list(alphas.shape)}")
    signs = np.unpackbits(bits, axis=1, count=columns).astype(bool)
    planes = [packing.pack(signs[:, :, i]) for i in range(num_bits)]
    return BinaryCodes(planes, [alphas[:, i : i + 1] for i in range(num_bits)], columns)


def _are_counts(shape) -> bool:
    return isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
