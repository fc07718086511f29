"""`Array`: what a kind of codes says of one of its arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bcq_tf.codes.float_range import check_in_float32

_ANY = ("floating", "integer")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array of codes.

    Args:
        dtypes: names of those that it may have; "floating" or "integer" for any such.
        shape: gives its shape from the codes, or from what has their `shape` and other sizes; None
            where the class checks it.
        optional: whether it may be None.
        pieces: whether it is a tuple of arrays of one width, in files one below the other.
    """

    dtypes: tuple[str, ...]
    shape: Callable[[Any], tuple[int, ...]] | None = None
    optional: bool = False
    pieces: bool = False

    def named(self, name: str, value) -> dict[str, np.ndarray]:
        """The arrays of a value by name, those of pieces as "name[0]", "name[1]", ..."""
        if self.pieces:
            return {f"{name}[{i}]": piece for i, piece in enumerate(value)}
        return {} if value is None else {name: value}

    def check(self, name: str, array: np.ndarray, codes) -> None:
        """Raises TypeError, ValueError unless an array is of these dtypes and of the shape that
        `codes` tell; floats must be finite in float32."""
        if not any(_is_of(array.dtype, dtype) for dtype in self.dtypes):
            allowed = " or ".join(f"of {d} dtype" if d in _ANY else d for d in self.dtypes)
            raise TypeError(f"`{name}` must be {allowed}. Received: {array.dtype}")
        if self.shape and array.shape != (shape := self.shape(codes)):
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
