"""`CodedWeight`: what the ways have in common in which a layer keeps a weight as codes."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import ClassVar

import keras
import ml_dtypes
import numpy as np

from bcq_tf.codes import CodedMatrix, MatrixView
from bcq_tf.shown import short


@dataclasses.dataclass(frozen=True)
class CodedWeight(abc.ABC):
    """The facts of a weight that is kept as codes; its variables are the layer's.

    A subclass is of one kind of codes. It has the facts that tell the shapes of the arrays which
    the kind declares, by the name of each optional array whether there is one, and `bits` of a
    code; and it looks up rows. The variables are the arrays, and those facts, floating numbers,
    that it lacks: a layer can be made before its values are known.

    Args:
        view: how the weight is seen as the matrix [R, C] of the codes.

    Raises:
        ValueError: the facts do not fit together.
    """

    view: MatrixView

    CODES: ClassVar[type[CodedMatrix]]
    """The kind of codes."""
    TRAINS: ClassVar[tuple[str, ...]] = ()
    """The variables that train where the weight is `trainable`."""
    PRODUCTS: ClassVar[bool] = False
    """Whether products are computed from it, by `tiled`; the others are only looked up in."""
    OWN_OPS: ClassVar[bool] = True
    """Whether look-ups use compiled ops of bcq_tf."""

    trainable = False

    @classmethod
    @abc.abstractmethod
    def of(cls, codes: CodedMatrix, view: MatrixView, trainable: bool = False) -> CodedWeight:
        """The facts of `codes`; a kind that cannot train stays so."""

    @abc.abstractmethod
    def gather(self, parts: dict, ids, dtype: str):
        """ids [...] -> rows of the matrix [..., C], from the variables by part."""

    def matrix(self, parts: dict, dtype: str):
        """The matrix [R, C], from the variables by part."""
        return self.gather(parts, keras.ops.arange(self.shape[0], dtype="int64"), dtype)

    def value(self, parts: dict, dtype: str):
        """The float weight, from the variables by part."""
        return self.view.from_matrix(self.matrix(parts, dtype), keras.ops)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)."""
        return self.view.matrix_shape

    @property
    def columns(self) -> int:
        """C."""
        return self.shape[1]

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """(shape, dtype, trainable) of each variable, by part."""
        parts = {}
        for name, array in self.CODES.ARRAYS.items():
            if not array.optional or getattr(self, name):
                dtype = array.dtypes[0] if len(array.dtypes) == 1 else self.dtype
                parts[name] = array.shape(self), dtype, self.trainable and name in self.TRAINS
        unknown = [fact for fact in self.CODES.FACTS if not hasattr(self, fact)]
        return parts | dict.fromkeys(unknown, ((), "float32", False))

    def values(self, codes: CodedMatrix) -> dict:
        """The values of the variables for `codes`, of which these are the facts, by part."""
        return {part: getattr(codes, part) for part in self.parts()}

    def codes(self, parts: dict) -> CodedMatrix:
        """The codes that the variables, by part, hold."""
        names = [field.name for field in dataclasses.fields(self.CODES)]
        values = {part: np.array(parts[part])[()] for part in parts if part in names}
        facts = {fact: getattr(self, fact) for fact in self.CODES.FACTS if fact not in values}
        return self.CODES(**values, **facts)

    @property
    def nbytes(self) -> int:
        """Bytes of all variables. Binary codes are padded, so it can exceed `codes.nbytes`."""
        parts = self.parts().values()
        return sum(math.prod(shape) * item_bytes(dtype) for shape, dtype, _ in parts)

    def float_nbytes(self, dtype: str) -> int:
        """Bytes of the float weight in a variable of `dtype`."""
        return math.prod(self.shape) * item_bytes(dtype)

    def to_dict(self) -> dict:
        """A JSON-able dict, which `from_dict` reads."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"kind": self.CODES.KIND} | fields | {"view": self.view.to_dict()}

    @classmethod
    def from_dict(cls, data: dict) -> CodedWeight:
        """Makes the value that `to_dict` described.

        Raises:
            TypeError, ValueError: `data` is not such a dict.
        """
        fields = {field.name: field.default for field in dataclasses.fields(cls)}
        needed = {name for name, default in fields.items() if default is dataclasses.MISSING}
        if not needed <= set(data) <= {"kind", *fields}:
            raise ValueError(
                f"a packed weight must be a dict of {['kind', *fields]}. Received: {short(data)}"
            )
        facts = {name: value for name, value in data.items() if name != "kind"}
        return cls(**facts | {"view": MatrixView.from_dict(data["view"])})


def table_view(shape: tuple[int, int]) -> MatrixView:
    """How a table [R, C] is seen as the matrix of its codes: it is that."""
    return MatrixView(shape, (0,), (1,))


def item_bytes(dtype: str) -> int:
    """Bytes of one number of a Keras dtype."""
    return np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
