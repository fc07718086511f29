"""Sums with the signs that stand in tiles, in plain TensorFlow ops.

Shapes: G groups, q planes, n rows, W words of a row, C columns. Everything is float32.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bcq_tf.codes.packing import WORD_BITS
from bcq_tf.ops.layout import TILE_ROWS, Layout

_BIT = np.uint32(1) << np.arange(WORD_BITS, dtype=np.uint32)


def words_of_rows(tiles, rows, layout: Layout):
    """The words of the stored rows int64 [n], [bits, n, W]; any for what no plane covers."""
    tile = rows // TILE_ROWS
    planes = tf.gather(tf.constant(layout.tile_planes, tf.int64), tile)
    starts = tf.gather(tf.constant(layout.tile_starts, tf.int64), tile) + rows % TILE_ROWS
    # Word w of plane i stands TILE_ROWS * (w * planes + i) after the row's first.
    plane = tf.minimum(tf.range(layout.bits, dtype=tf.int64)[:, tf.newaxis], planes - 1)
    steps = tf.range(layout.row_words, dtype=tf.int64) * planes[:, tf.newaxis]
    return tf.gather(tiles, starts[:, tf.newaxis] + TILE_ROWS * (steps + plane[..., tf.newaxis]))


def weighted_sum(words, scales, offset, layout: Layout):
    """offset + sum_i scales[:, i] * sign(i), in that order: [q, n, W], [G, q, n], [G, n] -> [n, C].

    `offset` may be None.
    """
    shape = [-1, layout.groups * layout.padded_group]
    total = 0.0 if offset is None else _along_row(offset)
    for i in range(words.shape[0]):
        scale = _along_row(scales[:, i])
        total += tf.where(_positive(words[i], layout), scale, -scale)
    return tf.reshape(total, shape)[:, : layout.columns]


def signed_sums(words, values, layout: Layout):
    """sum_c sign(i, n, c) values[n, c] over each group: [q, n, W], [n, C] -> [G, q, n]."""
    values = _grouped(values, layout)
    sums = [
        tf.reduce_sum(tf.where(_positive(words[i], layout), values, -values), axis=-1)
        for i in range(words.shape[0])
    ]
    return tf.transpose(tf.stack(sums), [2, 0, 1])


def group_sums(values, layout: Layout):
    """sum_c values[n, c] over each group: [n, C] -> [G, n]."""
    return tf.transpose(tf.reduce_sum(_grouped(values, layout), axis=-1))


def _positive(words, layout: Layout):
    # [n, W] -> bool [n, G, padded group]: whether the sign is +1.
    missing = layout.groups * layout.padded_group // WORD_BITS - layout.row_words
    words = tf.pad(words, [[0, 0], [0, missing]]) if missing else words
    bits = tf.bitwise.bitwise_and(words[:, :, tf.newaxis], _BIT)
    return tf.reshape(tf.cast(bits, tf.bool), [-1, layout.groups, layout.padded_group])


def _along_row(per_group):
    # [G, n] -> [n, G, 1]
    return tf.transpose(tf.cast(per_group, tf.float32))[:, :, tf.newaxis]


def _grouped(values, layout: Layout):
    # [n, C] -> [n, G, padded group], with zeros.
    missing = layout.groups * layout.padded_group - layout.columns
    padded = tf.pad(values, [[0, 0], [0, missing]])
    return tf.reshape(padded, [-1, layout.groups, layout.padded_group])
