"""`CodedMatrix`: what codes of a matrix have in common, whatever they are."""

from __future__ import annotations

import abc
from collections.abc import Iterator

import numpy as np

BLOCK_WEIGHTS = 1 << 20  # of `row_blocks`
FLOAT32_MAX = float(np.finfo(np.float32).max)
LARGEST_SUM = FLOAT32_MAX * (1 - 2**-20)  # of numbers that are added in float32, which rounds


class CodedMatrix(abc.ABC):
    """An immutable value that stands for a float32 matrix [R, C]."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """(R, C)."""

    @abc.abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the codes consist of, by name."""

    @abc.abstractmethod
    def rows(self, ids) -> np.ndarray:
        """The rows `ids`, integers [n] from 0 to R - 1: float32 [n, C]."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays().values())

    @property
    def bits_per_weight(self) -> float:
        """8 nbytes / (R C): the codes' bits and what scales and the like add to them."""
        rows, columns = self.shape
        return 8 * self.nbytes / (rows * columns)

    def reconstruct(self) -> np.ndarray:
        """The matrix that the codes stand for, float32 [R, C]."""
        result = np.empty(self.shape, np.float32)
        for rows, block in self.blocks():
            result[rows] = block
        return result

    def blocks(self) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
        """Yields the matrix in parts that take little memory: its rows, a slice or their numbers,
        and their values, float32 [n, C]."""
        for rows in row_blocks(self.shape):
            yield rows, self.rows(np.arange(rows.start, rows.stop))


def row_blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Cuts the rows of a matrix into parts of about `BLOCK_WEIGHTS` weights."""
    rows, columns = shape
    step = max(1, BLOCK_WEIGHTS // columns)
    return (slice(begin, min(begin + step, rows)) for begin in range(0, rows, step))


def check_ids(ids, rows: int) -> np.ndarray:
    """`ids` as int64 [n]; raises TypeError, IndexError unless they are integers below `rows`."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or not (ids.size == 0 or np.issubdtype(ids.dtype, np.integer)):
        raise TypeError(f"`ids` must be integers [n]. Received: {ids.dtype} {list(ids.shape)}")
    wrong = ids[(ids < 0) | (ids >= rows)]
    if wrong.size:
        raise IndexError(f"`ids` must be from 0 to {rows - 1}. Received: {wrong[0]}")
    return ids.astype(np.int64)


def check_octets(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises TypeError, ValueError unless `array` is uint8 of `shape`."""
    if array.dtype != np.uint8:
        raise TypeError(f"`{name}` must be uint8. Received: {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"`{name}` must be {list(shape)}. Received: {list(array.shape)}")


def largest_magnitude(array: np.ndarray) -> float:
    """The largest |number| of an array; NaN where it holds one, 0 where it is empty."""
    return float(np.maximum(array.max(), -array.min())) if array.size else 0.0


def check_in_float32(name: str, array: np.ndarray) -> None:
    """Raises ValueError unless all of an array is finite, also as float32."""
    largest = largest_magnitude(array)
    if not np.isfinite(largest):
        raise ValueError(f"`{name}` must be finite. Received: NaN or Inf")
    if largest > FLOAT32_MAX:
        raise ValueError(f"`{name}` must be finite in float32. Received: {largest:.6g}")


def frozen(array) -> np.ndarray:
    """A read-only view of the array, or a copy where it is not contiguous."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
