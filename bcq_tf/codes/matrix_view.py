"""`MatrixView`: a weight of any rank seen as a matrix [R, C]."""

from __future__ import annotations

import dataclasses
import math
import operator

import numpy as np

from bcq_tf.shown import short

MAX_RANK = 32  # of weights in files


@dataclasses.dataclass(frozen=True)
class MatrixView:
    """How a weight is seen as a matrix [R, C]: R outputs, C the axis that the product sums over.

    The axes of the weight are divided into row axes and column axes. R is the product of the sizes
    of the row axes, C that of the column axes, each in the order given, the last one running
    fastest. A Dense kernel [in, out] is `MatrixView((in, out), rows=(1,), columns=(0,))`: row o of
    the matrix holds the weights of output o.

    Args:
        shape: shape of the weight, positive integers.
        rows: axes that become rows; () makes a matrix of one row.
        columns: axes that become columns, at least one.

    Raises:
        TypeError: an argument is not a sequence of integers.
        ValueError: a size is not positive, or rows and columns do not name each axis once.

    Example:
        >>> view = bcq_tf.MatrixView((3, 3, 16, 32), rows=(3,), columns=(0, 1, 2))
        >>> view.matrix_shape
        (32, 144)
        >>> view.to_matrix(np.zeros(view.shape)).shape
        (32, 144)
    """

    shape: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __post_init__(self):
        for name in ("shape", "rows", "columns"):
            object.__setattr__(self, name, _integers(name, getattr(self, name)))
        if any(size < 1 for size in self.shape):
            raise ValueError(
                f"`shape` must hold positive sizes. Received: shape={short(self.shape)}"
            )
        if not self.columns or sorted(self.permutation) != list(range(len(self.shape))):
            raise ValueError(
                f"`rows` and `columns` must together name each of {len(self.shape)} axes once, "
                f"`columns` at least one. "
                f"Received: rows={short(self.rows)}, columns={short(self.columns)}"
            )

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(R, C)."""
        return self._size(self.rows), self._size(self.columns)

    @property
    def permutation(self) -> tuple[int, ...]:
        """The axes of the weight in the order of the matrix: rows, then columns."""
        return self.rows + self.columns

    @property
    def inverse_permutation(self) -> tuple[int, ...]:
        """Where each axis of the weight stands in `permutation`."""
        return tuple(self.permutation.index(axis) for axis in range(len(self.shape)))

    @property
    def is_reshape(self) -> bool:
        """Whether the matrix is the weight with its axes merged, in the same order."""
        return self.permutation == tuple(range(len(self.shape)))

    @property
    def is_reshape_turned(self) -> bool:
        """Whether the matrix transposed is the weight with its axes merged, in the same order."""
        return self.columns + self.rows == tuple(range(len(self.shape)))

    def to_matrix(self, array, ops=np):
        """The weight as a matrix.

        Args:
            array: the weight, of shape `shape`, any dtype.
            ops: where `transpose` and `reshape` come from: `numpy`, or `keras.ops` for backend
                tensors and variables.

        Returns:
            [R, C] of the same dtype; NumPy may return a view of `array`.
        """
        _check_shape("array", array, self.shape)
        return ops.reshape(ops.transpose(array, self.permutation), self.matrix_shape)

    def from_matrix(self, matrix, ops=np):
        """The inverse of `to_matrix`: [R, C] to an array of shape `shape`."""
        _check_shape("matrix", matrix, self.matrix_shape)
        permuted_shape = tuple(self.shape[axis] for axis in self.permutation)
        return ops.transpose(ops.reshape(matrix, permuted_shape), self.inverse_permutation)

    def to_dict(self) -> dict[str, list[int]]:
        """A JSON-able dict, which `from_dict` reads."""
        return {name: list(axes) for name, axes in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, data: dict) -> MatrixView:
        """Makes the view that `to_dict` described.

        Raises:
            TypeError, ValueError: `data` is not such a dict.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(data, dict) or set(data) != set(names):
            raise ValueError(f"a matrix view must be a dict of {names}. Received: {short(data)}")
        if any(isinstance(axes, (list, tuple)) and len(axes) > MAX_RANK for axes in data.values()):
            raise ValueError(f"a matrix view must have at most {MAX_RANK} axes. Received: more")
        return cls(**data)

    def _size(self, axes: tuple[int, ...]) -> int:
        return math.prod(self.shape[axis] for axis in axes)


def _integers(name: str, values) -> tuple[int, ...]:
    try:
        values = tuple(values)
        if any(isinstance(value, bool) for value in values):
            raise TypeError
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise TypeError(
            f"`{name}` must be a sequence of integers. Received: {name}={short(values)}"
        ) from None


def _check_shape(name: str, array, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise ValueError(f"`{name}` must be {list(shape)}. Received: {list(array.shape)}")
