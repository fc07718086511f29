"""The ops on codes in operations that ONNX and TensorFlow Lite both have.

Neither takes uint32 words and bit masks throughout. A table with the signs of each of the 256 bytes
serves as well: bytes are looked up (Cast, Gather) and give eight signs each.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from bcq_tf.ops import TiledCodes
from bcq_tf.ops.layout import TILE_ROWS, Layout

# [256, 8]: bit k of a byte is the sign of its column k, 1 for +1.
SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
SIGNS = 2 * SIGNS.astype(np.float32) - 1


def unpackable(codes: TiledCodes) -> dict[str, np.ndarray]:
    """The parts of codes as `Unpacking` wants them, no larger than in a file.

    Returns:
        "plane0", ...: uint8 [n_i, bytes of a row], for planes that cover n_i > 0 rows;
        "scale0", ...: [n_i, G]; "offset": [R, G]; "row_place": int32 [R]. The last two where the
        codes have them.
    """
    layout = codes.layout
    tiles, scales = np.asarray(codes.tiles), np.asarray(codes.scales)
    parts = {}
    for i, count in enumerate(layout.plane_rows):
        if count:
            parts[f"plane{i}"] = _plane_bytes(tiles, layout, i, count)
            parts[f"scale{i}"] = np.ascontiguousarray(scales[:, i, :count].T)
    if codes.offset is not None:
        parts["offset"] = np.ascontiguousarray(np.asarray(codes.offset).T)
    if codes.row_place is not None:
        parts["row_place"] = np.asarray(codes.row_place).astype(np.int32)
    return parts


@dataclasses.dataclass(frozen=True)
class Unpacking:
    """A set of ops for `bcq_tf.ops.engine.using`: inference only, in float32.

    Args:
        parts: {tiles.ref(): the tensors that `unpackable` names, scales and offset as float32} for
            all codes that are used.
        signs: float32 [256, 8], `SIGNS`: one tensor of the graph that all unpacking is part of.
    """

    parts: dict
    signs: tf.Tensor

    def product(self, x, codes: TiledCodes, precision: str = "exact"):
        """x [..., C] -> x W^T [..., R]; a float32 product, whichever precision is asked for."""
        del precision
        layout = codes.layout
        matrix = self._values(codes, self._parts(codes).get("row_place"))
        y = tf.matmul(_flat(x, layout.columns), matrix, transpose_b=True)
        return tf.cast(tf.reshape(y, [*_dimensions(x)[:-1], layout.rows]), x.dtype)

    def gather(self, ids, codes: TiledCodes, dtype: tf.DType):
        """ids [...] -> rows of W [..., C]; what an id gives that is no row is up to the runtime."""
        rows = tf.cast(tf.reshape(ids, [-1]), tf.int32)
        place = self._parts(codes).get("row_place")
        values = self._values(codes, rows if place is None else tf.gather(place, rows))
        return tf.cast(tf.reshape(values, [*_dimensions(ids), codes.layout.columns]), dtype)

    def _parts(self, codes: TiledCodes) -> dict:
        try:
            return self.parts[codes.tiles.ref()]
        except KeyError:
            raise ValueError(
                "`model` must keep all its codes in packed layers. Received: codes of "
                f"[{codes.layout.rows}, {codes.layout.columns}] from elsewhere"
            ) from None

    def _values(self, codes: TiledCodes, rows):
        # The values of the stored rows int32 [n], or of all where None: float32 [n, C].
        layout, parts = codes.layout, self._parts(codes)
        total = 0.0
        if "offset" in parts:
            total = _rows(parts["offset"], rows)[:, :, tf.newaxis, tf.newaxis]
        for i, count in enumerate(layout.plane_rows):
            if count:
                scale = _rows(_padded(parts[f"scale{i}"], layout.rows), rows)
                scale = scale[:, :, tf.newaxis, tf.newaxis]
                total += self._signs(parts[f"plane{i}"], rows, layout) * scale
        return tf.reshape(total, [-1, 8 * np.prod(total.shape[1:3])])[:, : layout.columns]

    def _signs(self, plane, rows, layout: Layout):
        # The signs of the stored rows [n], float32 [n, G, bytes of a group, 8].
        count, width = plane.shape
        if rows is not None:
            plane = tf.gather(plane, rows if count == layout.rows else tf.minimum(rows, count - 1))
        index = tf.cast(plane, tf.int32)
        if rows is None:
            index = _padded(index, layout.rows)
        group = width if layout.groups == 1 else layout.group_size // 8
        missing = layout.groups * group - width
        if missing:
            index = tf.pad(index, [[0, 0], [0, missing]])
        return tf.gather(self.signs, tf.reshape(index, [-1, layout.groups, group]))


def _plane_bytes(tiles: np.ndarray, layout: Layout, plane: int, count: int) -> np.ndarray:
    # uint8 [count, bytes of a row] of one plane.
    row = np.arange(count)[:, np.newaxis]
    tile = row // TILE_ROWS
    steps = np.arange(layout.row_words) * layout.tile_planes[tile] + plane
    words = tiles[layout.tile_starts[tile] + steps * TILE_ROWS + row % TILE_ROWS]
    as_bytes = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.ascontiguousarray(as_bytes[:, : -(-layout.columns // 8)])


def _padded(values, rows: int):
    # [n_i, ...] -> [rows, ...]. The scale of rows that a plane does not cover becomes 0.
    missing = rows - values.shape[0]
    return tf.pad(values, [[0, missing], [0, 0]]) if missing else values


def _rows(values, rows):
    return values if rows is None else tf.gather(values, rows)


def _flat(tensor, last: int):
    return tf.cast(tf.reshape(tensor, [-1, last]), tf.float32)


def _dimensions(tensor) -> list:
    # Known ones as numbers, so that the result's shape is as well known as the input's.
    shape = tf.shape(tensor)
    return [shape[i] if size is None else size for i, size in enumerate(tensor.shape)]
