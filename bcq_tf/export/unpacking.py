"""The ops on codes in operations that ONNX and TensorFlow Lite both have.

Neither takes uint32 words and bit masks throughout. An array with the signs of each of the 256
bytes serves as well: a byte (Cast, Gather) gives eight signs.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from bcq_tf.codes.layout import Layout
from bcq_tf.codes.tiles import plane_words
from bcq_tf.ops import TiledCodes, binary
from bcq_tf.ops.engine import using

# [256, 8]: bit k of a byte is the sign of its column k, 1 for +1.
SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
SIGNS = 2 * SIGNS.astype(np.float32) - 1


class Unpacking:
    """The ops on binary codes in these operations: inference only, in float32.

    Args:
        parts: {tiles.ref(): the tensors that `parts_of` names, scales and offset as float32}.
    """

    def __init__(self, parts: dict):
        self._known = parts
        self._signs = tf.constant(SIGNS)  # of the graph that all unpacking is part of

    @staticmethod
    def parts_of(codes: TiledCodes) -> dict[str, np.ndarray]:
        """What stands for codes in an exported file, no larger than in a file of ours.

        Returns:
            "planes": uint8 [sum of n_i, bytes of a row], the n_i rows of plane 0, then those of
            plane 1 and so on; "scales": [sum of n_i, G] likewise; "offset": [R, G]; "row_place":
            int32 [R]. The last two where the codes have them.
        """
        layout = codes.layout
        tiles, scales = np.asarray(codes.tiles), np.asarray(codes.scales)
        parts = {
            "planes": np.concatenate([_plane_bytes(tiles, layout, i) for i in range(layout.bits)]),
            "scales": np.concatenate(
                [scales[:, i, :count].T for i, count in enumerate(layout.plane_rows)]
            ),
        }
        if codes.offset is not None:
            parts["offset"] = np.ascontiguousarray(np.asarray(codes.offset).T)
        if codes.row_place is not None:
            parts["row_place"] = np.asarray(codes.row_place).astype(np.int32)
        return parts

    def used(self):
        """Within this context these ops run."""
        return using({binary.product: self.product, binary.gather: self.gather})

    def product(self, x, codes: TiledCodes, precision: str = "exact"):
        """x [..., C] -> x W^T [..., R]; a float32 product, whichever precision is asked for."""
        del precision
        layout, parts = codes.layout, self._parts(codes)
        matrix = self._unpack(layout, parts, parts.get("row_place"), self._signs)
        y = tf.matmul(_flat(x, layout.columns), matrix, transpose_b=True)
        return tf.cast(tf.reshape(y, [*dimensions(x)[:-1], layout.rows]), x.dtype)

    def gather(self, ids, codes: TiledCodes, dtype: tf.DType):
        """ids [...] -> rows of W [..., C]; what an id gives that is no row is up to the runtime."""
        layout, parts = codes.layout, self._parts(codes)
        rows = tf.cast(tf.reshape(ids, [-1]), tf.int32)
        rows = tf.gather(parts["row_place"], rows) if "row_place" in parts else rows
        values = self._unpack(layout, parts, rows, self._signs)
        return tf.cast(tf.reshape(values, [*dimensions(ids), layout.columns]), dtype)

    def _parts(self, codes: TiledCodes) -> dict:
        return parts_among(self._known, codes)

    @functools.cached_property
    def _unpack(self):
        # One function in the graph for all weights of equal layout.
        return tf.function(_values, autograph=False)


def parts_among(known: dict, codes: TiledCodes) -> dict:
    """What is known of codes by their tiles; raises ValueError where that is nothing."""
    try:
        return known[codes.tiles.ref()]
    except KeyError:
        raise ValueError(
            "`model` must keep all its codes in packed layers. Received: codes of "
            f"[{codes.layout.rows}, {codes.layout.columns}] from elsewhere"
        ) from None


def _values(layout: Layout, parts: dict, rows, signs):
    # The values of the stored rows int32 [n], or of all where None: float32 [n, C].
    if rows is None and layout.plane_rows[-1] < layout.rows:
        rows = tf.range(layout.rows)
    total = 0.0
    if "offset" in parts:
        total = _as_factor(parts["offset"] if rows is None else tf.gather(parts["offset"], rows))
    starts = np.cumsum([0, *layout.plane_rows])
    for start, count in zip(starts, layout.plane_rows, strict=False):
        if count:
            total += _term(layout, parts, start, count, rows, signs)
    width = 8 * total.shape[1] * total.shape[2]
    values = tf.reshape(total, [-1, width])
    return values if width == layout.columns else values[:, : layout.columns]


def _term(layout: Layout, parts: dict, start: int, count: int, rows, signs):
    # Scale times sign of the plane whose `count` rows begin at `start`, 0 in rows that it does not
    # cover: float32 [n, G, bytes of a group, 8].
    planes, scales = parts["planes"], parts["scales"]
    if rows is None:
        planes, scales = planes[start : start + count], scales[start : start + count]
    else:
        own = start + (rows if count == layout.rows else tf.minimum(rows, count - 1))
        planes, scales = tf.gather(planes, own), tf.gather(scales, own)
    if count < layout.rows:
        scales *= tf.cast(rows < count, tf.float32)[:, tf.newaxis]
    return tf.gather(signs, _byte_indices(planes, layout)) * _as_factor(scales)


def _byte_indices(plane, layout: Layout):
    # uint8 [n, bytes of a row] -> int32 [n, G, bytes of a group]
    index, width = tf.cast(plane, tf.int32), plane.shape[1]
    group = width if layout.groups == 1 else layout.group_size // 8
    missing = layout.groups * group - width
    if missing:
        index = tf.pad(index, [[0, 0], [0, missing]])
    return tf.reshape(index, [-1, layout.groups, group])


def _as_factor(values):
    # [n, G] -> [n, G, 1, 1]
    return tf.reshape(values, [-1, values.shape[1], 1, 1])


def _plane_bytes(tiles: np.ndarray, layout: Layout, plane: int) -> np.ndarray:
    # uint8 [rows that it covers, bytes of a row] of one plane.
    words = plane_words(tiles, layout, plane)
    as_bytes = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.ascontiguousarray(as_bytes[:, : -(-layout.columns // 8)])


def _flat(tensor, last: int):
    return tf.cast(tf.reshape(tensor, [-1, last]), tf.float32)


def dimensions(tensor) -> list:
    """A tensor's: known ones as numbers, so that what is made of them is as well known."""
    shape = tf.shape(tensor)
    return [shape[i] if size is None else size for i, size in enumerate(tensor.shape)]
