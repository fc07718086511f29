"""How layers keep binary codes: in the tiles that products and look-ups take."""

from __future__ import annotations

import dataclasses
import functools

import keras

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.config import FLOAT_DTYPES, check_choice
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import register
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.ops import Layout, TiledCodes, bcq_gather
from bcq_tf.ops.binary import bcq_columns


@dataclasses.dataclass(frozen=True)
class BinaryWeight(CodedWeight):
    """The facts of a weight that is kept as `BinaryCodes`.

    Args:
        view: how the weight is seen as the matrix of the codes.
        group_size: columns that share a scale; C for the whole row.
        plane_rows: the rows that each plane covers.
        scale_dtype: "float16" or "float32", of scales and offset.
        offset: whether there is one.
        row_order: whether the rows are stored in another order.
        trainable: whether scales and offset train.

    Raises:
        ValueError: an argument breaks its rule.
    """

    group_size: int
    plane_rows: tuple[int, ...]
    scale_dtype: str = "float16"
    offset: bool = False
    row_order: bool = False
    trainable: bool = False

    CODES = BinaryCodes
    TRAINS = ("scales", "offset")
    PRODUCTS = True

    def __post_init__(self):
        object.__setattr__(self, "plane_rows", self.layout.plane_rows)
        check_choice("scale_dtype", self.scale_dtype, FLOAT_DTYPES)

    @classmethod
    def of(cls, codes: BinaryCodes, view: MatrixView, trainable: bool = False) -> BinaryWeight:
        """The facts of `codes`. Scales that train are float32, others as they are."""
        layout = Layout.of(codes)
        half = all(scale.dtype == "float16" for scale in codes.scales)
        half = half and (codes.offset is None or codes.offset.dtype == "float16")
        return cls(
            view,
            layout.group_size,
            layout.plane_rows,
            "float16" if half and not trainable else "float32",
            codes.offset is not None,
            codes.row_order is not None,
            trainable,
        )

    @functools.cached_property
    def layout(self) -> Layout:
        """The sizes of the tiles."""
        return Layout(*self.shape, self.group_size, self.plane_rows)

    @property
    def bits(self) -> int:
        """Number of bit planes."""
        return len(self.plane_rows)

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """See `CodedWeight`; by the part of `TiledCodes` that a variable holds."""
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

    def values(self, codes: BinaryCodes) -> dict:
        return super().values(TiledCodes.from_codes(codes))

    def codes(self, parts: dict) -> BinaryCodes:
        return self.tiled(parts).to_codes()

    def tiled(self, parts: dict) -> TiledCodes:
        """The codes with the variables, by part, as their parts."""
        return TiledCodes(layout=self.layout, **parts)

    def gather(self, parts: dict, ids, dtype: str):
        return bcq_gather(self.tiled(parts), ids, dtype)

    def value(self, parts: dict, dtype: str):
        if self.view.is_reshape or not self.view.is_reshape_turned:
            return super().value(parts, dtype)
        return keras.ops.reshape(bcq_columns(self.tiled(parts), dtype), self.view.shape)

    def to_dict(self) -> dict:
        return super().to_dict() | {"plane_rows": list(self.plane_rows)}


@register
@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table is kept as `BinaryCodes` [vocabulary, dimensions].

    An id that is no row is an error on the CPU, see `bcq_tf.ops.bcq_gather`.
    """

    WEIGHT = BinaryWeight
