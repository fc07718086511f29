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
_SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_SIGNS = 2 * _SIGNS.astype(np.float32) - 1


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
        parts: {tiles.ref(): the tensors that `unpackable` names} for all codes that are used.
    """

    parts: dict

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
            total = _rows(tf.cast(parts["offset"], tf.float32), rows)[:, :, tf.newaxis]
        for i, count in enumerate(layout.plane_rows):
            if count:
                total += _term(parts[f"plane{i}"], parts[f"scale{i}"], rows, layout)
        return tf.reshape(total, [-1, layout.groups * layout.padded_group])[:, : layout.columns]


def _plane_bytes(tiles: np.ndarray, layout: Layout, plane: int, count: int) -> np.ndarray:
    # uint8 [count, bytes of a row] of one plane.
    row = np.arange(count)[:, np.newaxis]
    tile = row // TILE_ROWS
    steps = np.arange(layout.row_words) * layout.tile_planes[tile] + plane
    words = tiles[layout.tile_starts[tile] + steps * TILE_ROWS + row % TILE_ROWS]
    as_bytes = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.ascontiguousarray(as_bytes[:, : -(-layout.columns // 8)])


def _term(plane, scale, rows, layout: Layout):
    # scale * sign of the stored rows [n], [n, G, padded group]; 0 where the plane covers no row.
    count = plane.shape[0]
    scale = tf.cast(scale, tf.float32)
    if count < layout.rows:
        scale = tf.pad(scale, [[0, layout.rows - count], [0, 0]])
    if rows is None and count < layout.rows:
        plane = tf.pad(plane, [[0, layout.rows - count], [0, 0]])
    elif rows is not None:
        plane = tf.gather(plane, tf.minimum(rows, count - 1))
    missing = layout.groups * layout.padded_group // 8 - plane.shape[1]
    if missing:
        plane = tf.pad(plane, [[0, 0], [0, missing]])
    signs = tf.gather(tf.constant(_SIGNS), tf.cast(plane, tf.int32))
    signs = tf.reshape(signs, [-1, layout.groups, layout.padded_group])
    return signs * _rows(scale, rows)[:, :, tf.newaxis]


def _rows(values, rows):
    return values if rows is None else tf.gather(values, rows)


def _flat(tensor, last: int):
    return tf.cast(tf.reshape(tensor, [-1, last]), tf.float32)


def _dimensions(tensor) -> list:
    # Known ones as numbers, so that the result's shape is as well known as the input's.
    shape = tf.shape(tensor)
    return [shape[i] if size is None else size for i, size in enumerate(tensor.shape)]
