"""`TableWeight`: what the ways have in common in which an embedding layer keeps its table."""

from __future__ import annotations

import dataclasses
import math

from bcq_tf.codes import MatrixView
from bcq_tf.layers.packed_weight import item_bytes
from bcq_tf.shown import short


@dataclasses.dataclass(frozen=True)
class TableWeight:
    """The facts of a table [R, C] that is only looked up in; its variables are the layer's.

    A subclass says which variables, and how rows come from them.

    Args:
        rows: R.
        columns: C.

    Raises:
        ValueError: they are not positive integers.
    """

    rows: int
    columns: int

    KIND = ""
    """The name of the subclass in configs."""

    def __post_init__(self):
        _ = self.view  # checks the sizes

    @property
    def view(self) -> MatrixView:
        """How the table is seen as the matrix of the codes: it is that."""
        return MatrixView((self.rows, self.columns), (0,), (1,))

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """(shape, dtype, trainable) of each variable, by part."""
        raise NotImplementedError

    def values(self, codes) -> dict:
        """The values of the variables for `codes`, of which these are the facts: arrays by part."""
        raise NotImplementedError

    def gather(self, parts: dict, ids, dtype: str):
        """ids [...] -> rows of the table [..., C], from the variables by part."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of all variables."""
        parts = self.parts().values()
        return sum(math.prod(shape) * item_bytes(dtype) for shape, dtype, _ in parts)

    def float_nbytes(self, dtype: str) -> int:
        """Bytes of the float table in a variable of `dtype`."""
        return self.rows * self.columns * item_bytes(dtype)

    def to_dict(self) -> dict:
        """A JSON-able dict, which `from_dict` reads."""
        return dataclasses.asdict(self) | {"kind": self.KIND}

    @classmethod
    def from_dict(cls, data: dict):
        """Makes the value that `to_dict` described.

        Raises:
            TypeError, ValueError: `data` is not such a dict.
        """
        names = [*(field.name for field in dataclasses.fields(cls)), "kind"]
        if sorted(data) != sorted(names):
            raise ValueError(f"a packed weight must be a dict of {names}. Received: {short(data)}")
        return cls(**{name: value for name, value in data.items() if name != "kind"})
