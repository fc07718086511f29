"""`TiledCodes`: binary codes in the form that the ops take."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.layout import Layout
from bcq_tf.codes.tiles import plane_words, scales_of, tiles_of


@dataclasses.dataclass(frozen=True, eq=False)
class TiledCodes:
    """Binary codes as tensors, made once from `BinaryCodes` with `TiledCodes.from_codes`.

    Each part may be a tensor, a `tf.Variable` or a Keras variable, so that a layer can keep them:
    `dataclasses.replace(codes, scales=variable)` trains the scales while the signs stay. Tiled
    codes can be arguments of a `tf.function`.

    Row numbers are uint32, since TensorFlow keeps int32 tensors in host memory.

    Args:
        tiles: uint32 [layout.words]; `Layout` has the order.
        scales: float32 or float16 [G, bits, R]; 0 where a plane does not cover a row. Any sign.
        layout: the sizes, a `Layout`.
        offset: like scales, [G, R], or None.
        row_order: uint32 [R], the row of the matrix that stored row k is, or None.
        row_place: uint32 [R], the inverse of `row_order`, or None.
    """

    tiles: Any
    scales: Any
    layout: Layout
    offset: Any = None
    row_order: Any = None
    row_place: Any = None

    @classmethod
    def from_codes(cls, codes: BinaryCodes) -> TiledCodes:
        """The same codes in tiles.

        Scales and offset are float16 where all of them are in `codes`, float32 otherwise.
        """
        layout = Layout.of(codes)
        scales, offset = scales_of(codes, layout)
        order = codes.row_order
        # Outside of any graph, so that what is made while a function is traced outlives it.
        with tf.init_scope():
            return cls(
                scales=tf.constant(scales),
                layout=layout,
                offset=None if offset is None else tf.constant(offset),
                row_order=None if order is None else tf.constant(order.astype(np.uint32)),
                row_place=None if order is None else tf.constant(np.argsort(order), tf.uint32),
                # Last: once a large block has been freed, malloc keeps smaller ones.
                tiles=tf.constant(tiles_of(codes, layout)),
            )

    def to_codes(self) -> BinaryCodes:
        """The codes that these were made of; `row_order` int64."""
        layout, order = self.layout, self.row_order
        scales = np.asarray(self.scales)
        return BinaryCodes(
            planes=[plane_words(self.tiles, layout, i) for i in range(layout.bits)],
            scales=[scales[:, i, :rows].T for i, rows in enumerate(layout.plane_rows)],
            columns=layout.columns,
            group_size=None if layout.groups == 1 else layout.group_size,
            offset=None if self.offset is None else np.asarray(self.offset).T,
            row_order=None if order is None else np.asarray(order).astype(np.int64),
        )

    def tensors(self) -> TiledCodes:
        """The same with every part a tensor, its dtype and shape checked.

        Raises:
            TypeError, ValueError: a part has another dtype or shape than `layout` says.
        """
        layout = self.layout
        rows = (layout.rows,)
        scales = _tensor("scales", self.scales, (tf.float32, tf.float16), layout.scales_shape)
        dtype, integer = (scales.dtype,), (tf.uint32,)
        if (self.row_order is None) != (self.row_place is None):
            raise ValueError(
                "`row_order` and `row_place` must both be given or both be None. Received: one"
            )
        return TiledCodes(
            tiles=_tensor("tiles", self.tiles, integer, (layout.words,)),
            scales=scales,
            layout=layout,
            offset=_tensor("offset", self.offset, dtype, (layout.groups, layout.rows)),
            row_order=_tensor("row_order", self.row_order, integer, rows),
            row_place=_tensor("row_place", self.row_place, integer, rows),
        )

    @property
    def parts(self) -> tuple:
        """What gradients flow to: (scales,) or (scales, offset)."""
        return (self.scales,) if self.offset is None else (self.scales, self.offset)

    def with_parts(self, parts) -> TiledCodes:
        """The same signs with other `parts`."""
        scales, *offset = parts
        return dataclasses.replace(self, scales=scales, offset=offset[0] if offset else None)

    def __tf_flatten__(self):
        parts = (self.tiles, self.scales, self.offset, self.row_order, self.row_place)
        return (self.layout,), parts

    @classmethod
    def __tf_unflatten__(cls, metadata, parts):
        tiles, scales, *others = parts
        return cls(tiles, scales, *metadata, *others)


def tiled(codes: BinaryCodes | TiledCodes) -> TiledCodes:
    """Either form of codes as tensors that have been checked."""
    if isinstance(codes, BinaryCodes):
        return TiledCodes.from_codes(codes)
    if isinstance(codes, TiledCodes):
        return codes.tensors()
    raise TypeError(f"`codes` must be BinaryCodes or TiledCodes. Received: {type(codes).__name__}")


def _tensor(name: str, value, dtypes: tuple, shape: tuple[int, ...]):
    if value is None:
        return None
    tensor = tf.convert_to_tensor(value)
    if tensor.dtype not in dtypes:
        allowed = " or ".join(dtype.name for dtype in dtypes)
        raise TypeError(f"`{name}` must be {allowed}. Received: {tensor.dtype.name}")
    if not tensor.shape.is_compatible_with(shape):
        raise ValueError(f"`{name}` must be {list(shape)}. Received: {tensor.shape}")
    return tensor
