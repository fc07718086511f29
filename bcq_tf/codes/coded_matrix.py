"""`CodedMatrix`: what codes of a matrix have in common, whatever they are."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from bcq_tf.codes.declaration import Array, frozen
from bcq_tf.config import check_integer

BLOCK_WEIGHTS = 1 << 20  # of `row_blocks`


class CodedMatrix(abc.ABC):
    """An immutable value that stands for a float32 matrix [R, C].

    A subclass is a frozen dataclass whose fields are arrays and facts, which it declares. With
    `bcq_tf.codes.kinds.register` it is a kind that files hold and reports show.
    """

    KIND: ClassVar[str]
    """The name of the kind, in configs and files."""
    ARRAYS: ClassVar[dict[str, Array]]
    """The arrays by name."""
    FACTS: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    """The numbers beside them: functions that give the value, as an int, float or None, or raise
    TypeError, ValueError."""
    SUMMARY: ClassVar[str]
    """A format of what `repr` tells of the codes, "bits={0.bits}" for example."""

    bits: int
    """Of a code: of a number, or of an index."""

    def __post_init__(self):
        for name, array in self.ARRAYS.items():
            value = getattr(self, name)
            if value is not None or not array.optional:
                value = tuple(map(frozen, value)) if array.pieces else frozen(value)
            object.__setattr__(self, name, value)
        for name, check in self.FACTS.items():
            object.__setattr__(self, name, check(getattr(self, name)))
        if self.shape[0] < 1:
            name = next(iter(self.ARRAYS))
            raise ValueError(f"`{name}` must have at least one row. Received: 0 rows")
        for name, array in self.ARRAYS.items():
            for part, value in array.named(name, getattr(self, name)).items():
                array.check(part, value, self)

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """(R, C)."""

    @abc.abstractmethod
    def rows(self, ids) -> np.ndarray:
        """The rows `ids`, integers [n] from 0 to R - 1: float32 [n, C]."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the codes consist of, by name; those of a tuple as "planes[0]"."""
        named = {}
        for name, array in self.ARRAYS.items():
            named |= array.named(name, getattr(self, name))
        return named

    def compact(self) -> dict[str, np.ndarray]:
        """What stands in files for arrays, or all pieces of one, by name, where it takes less."""
        return {}

    @classmethod
    def expand(cls, name: str, compact: np.ndarray, rows: list[int]) -> np.ndarray:
        """The array `name` from what `compact` gave; rows: those of each of the codes' pieces.

        Raises:
            ValueError: it is not what `compact` gives.
        """
        raise ValueError(f"`{name}` must have no other form. Received: one")

    @property
    def nbytes(self) -> int:
        """Bytes that all arrays take in a file, and 4 for each fact that is a floating number."""
        numbers = sum(isinstance(getattr(self, name), float) for name in self.FACTS)
        compact = self.compact()
        stored = [a for name, a in self.arrays().items() if name.split("[")[0] not in compact]
        return sum(array.nbytes for array in (*stored, *compact.values())) + 4 * numbers

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

    def __repr__(self) -> str:
        size = f"{self.nbytes} bytes, {self.bits_per_weight:.2f} bits per weight"
        return f"{type(self).__name__}({list(self.shape)}, {self.SUMMARY.format(self)}, {size})"


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


def check_columns(columns) -> int:
    """The fact of kinds whose arrays do not tell C."""
    return check_integer("columns", columns, 1)
