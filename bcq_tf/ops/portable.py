"""The ops on binary codes in plain TensorFlow ops.

For where the compiled library is not loaded, and for models that have to run without bcq_tf. A
product makes the matrix as float32 [R, C] and multiplies with it, whichever precision is asked for.

Shapes: G groups, q planes, n rows, W words of a row.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bcq_tf.codes.layout import TILE_ROWS, Layout
from bcq_tf.codes.packing import WORD_BITS
from bcq_tf.ops.fields import nan_where_no_row
from bcq_tf.ops.tiled_codes import TiledCodes

_BIT = np.uint32(1) << np.arange(WORD_BITS, dtype=np.uint32)


def product(x, codes: TiledCodes, precision: str = "exact"):
    """x [..., C] -> x W^T [..., R]."""
    del precision  # both are the float32 product
    layout = codes.layout

    @tf.custom_gradient
    def run(x, *parts):
        own = codes.with_parts(parts)
        rows = flat(x, layout.columns)
        y = tf.matmul(rows, _values(_all_rows(own), own), transpose_b=True)

        def gradient(dy):
            # The matrix is made again: of a model's matrices never more than one is in memory.
            with tf.GradientTape() as tape:
                tape.watch(parts)
                matrix = _values(_all_rows(own), own)
            dy = flat(dy, layout.rows)
            dmatrix = tf.matmul(dy, rows, transpose_a=True)
            dx = unflat(tf.cast(tf.matmul(dy, matrix), x.dtype), layout.columns, batch)
            return dx, *tape.gradient(matrix, parts, dmatrix)

        batch = dimensions(x)[:-1]
        return unflat(tf.cast(y, x.dtype), layout.rows, batch), gradient

    return run(x, *codes.parts)


def gather(ids, codes: TiledCodes, dtype: tf.DType):
    """ids int64 [...] -> rows of W [..., C].

    An id that is no row is an error on the CPU; on other devices and under XLA its row is NaN.
    """
    flat = tf.reshape(ids, [-1])
    values = _values(tf.gather(_all_rows(codes), flat), codes)
    values = nan_where_no_row(values, flat, codes.layout.rows)
    return unflat(tf.cast(values, dtype), codes.layout.columns, dimensions(ids))


def _values(rows, codes: TiledCodes):
    # The values of the stored rows int64 [n], float32 [n, C]: the offset, then scale times sign of
    # one plane after the other.
    layout = codes.layout
    words, scales = _words(codes.tiles, rows, layout), _of_rows(codes.scales, rows)
    if layout.plane_rows[-1] < layout.rows:
        plane_rows = tf.constant(layout.plane_rows, rows.dtype)[:, tf.newaxis]
        scales = tf.where(rows < plane_rows, scales, 0.0)
    total = 0.0 if codes.offset is None else _along_row(_of_rows(codes.offset, rows))
    for i in range(layout.bits):
        scale = _along_row(scales[:, i])
        total += tf.where(_positive(words[i], layout), scale, -scale)
    return tf.reshape(total, [-1, layout.groups * layout.padded_group])[:, : layout.columns]


def _words(tiles, rows, layout: Layout):
    # The words of stored rows [n] -> [q, n, W]; any for what no plane covers.
    tile = rows // TILE_ROWS
    planes = tf.gather(tf.constant(layout.tile_planes, tf.int64), tile)
    starts = tf.gather(tf.constant(layout.tile_starts, tf.int64), tile) + rows % TILE_ROWS
    # Word w of plane i stands TILE_ROWS * (w * planes + i) after the row's first.
    plane = tf.minimum(tf.range(layout.bits, dtype=tf.int64)[:, tf.newaxis], planes - 1)
    steps = tf.range(layout.row_words, dtype=tf.int64) * planes[:, tf.newaxis]
    return tf.gather(tiles, starts[:, tf.newaxis] + TILE_ROWS * (steps + plane[..., tf.newaxis]))


def _positive(words, layout: Layout):
    # [n, W] -> bool [n, G, padded group]: whether the sign is +1.
    missing = layout.groups * layout.padded_group // WORD_BITS - layout.row_words
    words = tf.pad(words, [[0, 0], [0, missing]]) if missing else words
    bits = tf.bitwise.bitwise_and(words[:, :, tf.newaxis], _BIT)
    return tf.reshape(tf.cast(bits, tf.bool), [-1, layout.groups, layout.padded_group])


@tf.custom_gradient
def _of_rows(per_row, rows):
    # [..., R] -> float32 [..., n]; a row's gradient is summed in float32 too.
    def gradient(dvalues):
        axes = [*range(len(dvalues.shape))]
        first = tf.transpose(dvalues, [axes[-1], *axes[:-1]])
        sums = tf.math.unsorted_segment_sum(first, rows, per_row.shape[-1])
        return tf.cast(tf.transpose(sums, [*axes[1:], 0]), per_row.dtype), None

    return tf.cast(tf.gather(per_row, rows, axis=-1), tf.float32), gradient


def _along_row(per_group):
    # [G, n] -> [n, G, 1]
    return tf.transpose(per_group)[:, :, tf.newaxis]


def _all_rows(codes: TiledCodes):
    # The stored rows in the order of the matrix, int64 [R].
    if codes.row_place is None:
        return tf.range(codes.layout.rows, dtype=tf.int64)
    return tf.cast(codes.row_place, tf.int64)


def flat(tensor, last: int):
    """[..., last] -> float32 [n, last]"""
    return tf.cast(tf.reshape(tensor, [-1, last]), tf.float32)


def unflat(values, last: int, batch):
    """[n, last] -> [*batch, last]"""
    shape = [*batch, last] if isinstance(batch, list) else tf.concat([batch, [last]], axis=0)
    return tf.reshape(values, shape)


def dimensions(tensor):
    """A list where all is known, so that the shape of the result is known too."""
    known = tensor.shape.is_fully_defined()
    return tensor.shape.as_list() if known else tf.shape(tensor)
