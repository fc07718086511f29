"""`Array` and `Fact`: how a kind of codes says what its values consist of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bcq_tf.codes.float_range import check_in_float32
from bcq_tf.config import check_integer

_ANY = ("floating", "integer")


@dataclasses.dataclass(frozen=True)
class Fact:
    """A number that codes have beside their arrays.

    Args:
        types: those of its value, which JSON has.
        check: gives a value as one of these types, or raises TypeError, ValueError.
    """

    types: tuple[type, ...]
    check: Callable[[Any], Any]


COLUMNS = Fact((int,), lambda columns: check_integer("columns", columns, 1))
"""C, of codes whose arrays do not tell it."""


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of codes.

    Args:
        dtypes: names of those that it may have; "floating" or "integer" for any such.
        shape: gives its shape from the codes, or from what has the same `shape` and facts. None:
            the class checks it.
        optional: whether codes may be without it: None.
        pieces: whether it is a tuple of arrays of equal width, which a file has one below the
            other.
    """

    dtypes: tuple[str, ...]
    shape: Callable[[Any], tuple[int, ...]] | None = None
    optional: bool = False
    pieces: bool = False

    def freeze(self, value):
        """The value with its arrays `frozen`."""
        if value is None and self.optional:
            return None
        return tuple(map(frozen, value)) if self.pieces else frozen(value)

    def parts(self, name: str, value) -> dict[str, np.ndarray]:
        """The value's arrays by name, those of pieces as "name[0]", "name[1]", ..."""
        if self.pieces:
            return {f"{name}[{i}]": piece for i, piece in enumerate(value)}
        return {} if value is None else {name: value}

    def check(self, name: str, array: np.ndarray, shape: tuple[int, ...] | None) -> None:
        """Raises TypeError, ValueError unless an array is of these dtypes, and of `shape`; floats
        must be finite in float32."""
        if not any(_is_of(array.dtype, dtype) for dtype in self.dtypes):
            allowed = " or ".join(f"of {d} dtype" if d in _ANY else d for d in self.dtypes)
            raise TypeError(f"`{name}` must be {allowed}. Received: {array.dtype}")
        if shape is not None and array.shape != shape:
            raise ValueError(f"`{name}` must be {list(shape)}. Received: {list(array.shape)}")
        if np.issubdtype(array.dtype, np.floating):
            check_in_float32(name, array)


def frozen(array) -> np.ndarray:
    """A read-only view of the array, or a copy where it is not contiguous."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _is_of(dtype: np.dtype, name: str) -> bool:
    return np.issubdtype(dtype, getattr(np, name)) if name in _ANY else dtype == name
