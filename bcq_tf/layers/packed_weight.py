"""`PackedWeight`: how a layer keeps one of its weights as codes."""

from __future__ import annotations

import dataclasses
import math

import ml_dtypes
import numpy as np

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.config import SCALE_DTYPES, check_choice
from bcq_tf.ops import Layout, TiledCodes, bcq_gather
from bcq_tf.shown import short


@dataclasses.dataclass(frozen=True)
class PackedWeight:
    """The facts of a weight that is kept as codes; its variables are the layer's.

    Args:
        view: how the weight is seen as the matrix [R, C] of the codes.
        layout: the sizes of the tiled codes.
        scale_dtype: "float16" or "float32", of scales and offset.
        offset: whether there is one.
        row_order: whether the rows are stored in another order.
        trainable: whether scales and offset train.

    Raises:
        ValueError: they do not fit together.
    """

    view: MatrixView
    layout: Layout
    scale_dtype: str = "float16"
    offset: bool = False
    row_order: bool = False
    trainable: bool = False

    def __post_init__(self):
        rows, columns = self.layout.rows, self.layout.columns
        if self.view.matrix_shape != (rows, columns):
            raise ValueError(
                f"`codes` must be {list(self.view.matrix_shape)} for a weight of shape "
                f"{list(self.view.shape)}. Received: [{rows}, {columns}]"
            )
        check_choice("scale_dtype", self.scale_dtype, SCALE_DTYPES)

    @classmethod
    def of(cls, codes: BinaryCodes, view: MatrixView, trainable: bool = False) -> PackedWeight:
        """The facts of `codes`. Scales that train are float32, others as they are."""
        half = all(scale.dtype == "float16" for scale in codes.scales)
        half = half and (codes.offset is None or codes.offset.dtype == "float16")
        return cls(
            view,
            Layout.of(codes),
            "float16" if half and not trainable else "float32",
            codes.offset is not None,
            codes.row_order is not None,
            trainable,
        )

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """(shape, dtype, trainable) of each variable, by the part of `TiledCodes` that it holds."""
        layout, scale, train = self.layout, self.scale_dtype, self.trainable
        rows = (layout.rows,)
        parts = {
            "tiles": ((layout.words,), "uint32", False),
            "scales": (layout.scales_shape, scale, train),
        }
        if self.offset:
            parts["offset"] = ((layout.groups, layout.rows), scale, train)
        if self.row_order:
            parts |= {"row_order": (rows, "uint32", False), "row_place": (rows, "uint32", False)}
        return parts

    @property
    def bits(self) -> int:
        """Number of bit planes."""
        return self.layout.bits

    @property
    def nbytes(self) -> int:
        """Bytes of all variables. Rows are padded to tiles, so this can exceed `codes.nbytes`."""
        return sum(
            math.prod(shape) * item_bytes(dtype) for shape, dtype, _ in self.parts().values()
        )

    def float_nbytes(self, dtype: str) -> int:
        """Bytes of the float weight in a variable of `dtype`."""
        return self.layout.rows * self.layout.columns * item_bytes(dtype)

    def values(self, codes: BinaryCodes) -> dict:
        """The values of the variables for `codes`, of which these are the facts, by part."""
        tiled = TiledCodes.from_codes(codes)
        return {part: getattr(tiled, part) for part in self.parts()}

    def codes(self, parts: dict) -> BinaryCodes:
        """The codes that the variables, by part, hold."""
        return TiledCodes(layout=self.layout, **parts).to_codes()

    def gather(self, parts: dict, ids, dtype: str):
        """ids [...] -> rows of the matrix [..., C], from the variables by part."""
        return bcq_gather(TiledCodes(layout=self.layout, **parts), ids, dtype)

    def to_dict(self) -> dict:
        """A JSON-able dict, which `from_dict` reads."""
        plain = dataclasses.asdict(self)
        plain["layout"]["plane_rows"] = list(plain["layout"]["plane_rows"])
        return plain | {"view": self.view.to_dict()}

    @classmethod
    def from_dict(cls, data) -> PackedWeight:
        """Makes the value that `to_dict` described; a `PackedWeight` is returned as it is.

        Raises:
            TypeError, ValueError: `data` is not such a dict.
        """
        if isinstance(data, cls):
            return data
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, dict) or not {"view", "layout"} <= set(data) <= names:
            raise ValueError(
                f"a packed weight must be a dict of {sorted(names)}. Received: {short(data)}"
            )
        view, layout = MatrixView.from_dict(data["view"]), Layout(**data["layout"])
        return cls(**{**data, "view": view, "layout": layout})


def item_bytes(dtype: str) -> int:
    """Bytes of one number of a Keras dtype."""
    return np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
