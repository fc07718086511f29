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
import re
import stat

import numpy as np

from bcq_tf.codes import BinaryCodes, packing
from bcq_tf.config import check_bits
from bcq_tf.files.container import FileFormatError, unique
from bcq_tf.files.legacy_pickle import PickledArray, are_counts, unpickle
from bcq_tf.shown import short

_NPY_PATTERN = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '\|O', 'fortran_order': \w+, 'shape': \([\d, ]*\), \} *\n",
    re.DOTALL,
)
_MAX_NESTING = 4
_SMALL_BYTES = 8  # Python keeps some bytes of up to one, which arrays then share
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(256, 8)[:, ::-1])
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
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for a writer
            raise FileFormatError("it is not a regular file")
        with open(path, "rb") as file:
            data = file.read()
        return unique(_weights(_unpickle(data), "", set(), 0))
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
    value = unpickle(stream)
    if stream.read(1):
        raise FileFormatError("it has bytes after its end")
    return value


def _weights(value, name: str, seen: set[int], depth: int):
    """Yields (name, weight) of everything below `value`."""
    if isinstance(value, PickledArray):
        value = _once(value, name, seen)
    if isinstance(value, np.ndarray):
        yield name, value
        return
    if not isinstance(value, (dict, list, tuple)) or depth > _MAX_NESTING:
        kind = f"a value of type {type(value).__name__}"
        raise FileFormatError(f"it has {kind} where a weight should be ({short(name)})")
    _check_new("container", value, name, seen)
    if isinstance(value, dict) and "bits" in value:
        yield name, _legacy_weight(value, name, seen)
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _weights(item, f"{name}/{key}" if name else str(key), seen, depth + 1)


def _once(array: PickledArray, name: str, seen: set[int]):
    # The value of an array that stands nowhere else: its parts are copied.
    _check_new("array", array, name, seen)
    data = array.state and array.state[-1]
    if isinstance(data, bytes) and len(data) > _SMALL_BYTES:
        _check_new("array", data, name, seen)
    return array.value()


def _check_new(what: str, value, name: str, seen: set[int]) -> None:
    # No such file has anything twice; a forged one could have it a trillion times.
    if id(value) in seen:
        raise FileFormatError(f"it has one {what} in two places ({short(name)})")
    seen.add(id(value))


def _legacy_weight(fields: dict, name: str, seen: set[int]) -> LegacyWeight:
    try:
        shape, transpose = tuple(fields["w_orig_shape"]), bool(fields["transpose"])
        rows, columns = _matrix_shape(fields["w_2d_shape"])
        bits, alphas = (_array(fields, part, name, seen) for part in ("bits", "alphas"))
        codes = _codes(bits, alphas, fields["num_bits"], rows, columns)
    except FileFormatError:
        raise
    except KeyError as error:
        raise FileFormatError(f"weight {short(name)} lacks {error}") from None
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"weight {short(name)}: {str(error)[:300]}") from None
    matrix = (columns, rows) if transpose else (rows, columns)
    if not are_counts(shape) or not shape or matrix != (math.prod(shape[:-1]), shape[-1]):
        raise FileFormatError(
            f"weight {short(name)} of shape {short(shape)} is no matrix {[rows, columns]}"
        )
    return LegacyWeight(codes, shape, transpose)


def _matrix_shape(value) -> tuple[int, int]:
    if not are_counts(tuple(value)) or len(value) != 2:
        raise ValueError(f"`w_2d_shape` must be two sizes. Received: {short(value)}")
    return tuple(value)


def _array(fields: dict, part: str, name: str, seen: set[int]) -> np.ndarray:
    given = fields[part]
    value = _once(given, name, seen) if isinstance(given, PickledArray) else None
    if not isinstance(value, np.ndarray):
        raise ValueError(f"`{part}` must be an array of numbers")
    return value


def _codes(bits, alphas, num_bits, rows: int, columns: int) -> BinaryCodes:
    if type(num_bits) is not int:
        raise ValueError(f"`bits` must be an integer from 1 to 8. Received: {short(num_bits)}")
    check_bits(num_bits)
    if bits.dtype != np.uint8 or bits.shape != (rows, -(-columns // 8), num_bits):
        raise ValueError(f"`bits` do not fit {num_bits} bits of [{rows}, {columns}]")
    if alphas.shape != (rows, num_bits):
        raise ValueError(f"`alphas` must be {[rows, num_bits]}. Received: {list(alphas.shape)}")
    planes = [_plane(bits[:, :, i], columns) for i in range(num_bits)]
    return BinaryCodes(planes, [alphas[:, i : i + 1] for i in range(num_bits)], columns)


def _plane(octets: np.ndarray, columns: int) -> np.ndarray:
    # uint8 [R, ceil(C / 8)], the first column the most significant bit -> words as in `packing`.
    padded = np.zeros((len(octets), 4 * packing.words_per_row(columns)), np.uint8)
    padded[:, : octets.shape[1]] = _REVERSED[octets]
    plane = padded.view("<u4").astype(np.uint32, copy=False)
    plane[:, -1:] &= ~packing.padding_mask(columns)
    return plane
