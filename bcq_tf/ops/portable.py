"""The five functions that `gradients` speaks of, in plain TensorFlow ops.

For where the compiled library is not loaded, and for models that have to run without bcq_tf. A
product makes the matrix as float32 [R, C] and multiplies with it, whichever precision is asked for.
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

from bcq_tf.ops import gradients, signs
from bcq_tf.ops.layout import Layout
from bcq_tf.ops.tiled_codes import TiledCodes

_THIS = sys.modules[__name__]


def product(x, codes: TiledCodes, precision: str = "exact"):
    """x [..., C] -> x W^T [..., R]."""
    del precision  # both are the float32 product
    layout = codes.layout

    @tf.custom_gradient
    def run(x, *parts):
        own = codes.with_parts(parts)
        y = tf.matmul(_flat(x, layout.columns), _matrix(own), transpose_b=True)
        y = _unflat(tf.cast(y, x.dtype), layout.rows, _batch(x))
        return y, lambda dy: _evaluated(gradients.of_product(_THIS, own, x, dy))

    return run(x, *codes.parts)


def product_transposed(dy, codes: TiledCodes):
    """dy [..., R] -> dy W [..., C]."""
    layout = codes.layout

    @tf.custom_gradient
    def run(dy, *parts):
        own = codes.with_parts(parts)
        dx = tf.matmul(_flat(dy, layout.rows), _matrix(own))
        dx = _unflat(tf.cast(dx, dy.dtype), layout.columns, _batch(dy))
        return dx, lambda ddx: _evaluated(gradients.of_product_transposed(_THIS, own, dy, ddx))

    return run(dy, *codes.parts)


def product_scale_gradient(x, dy, codes: TiledCodes) -> tuple:
    """x [..., C], dy [..., R] -> (dscales,) or (dscales, doffset), float32."""
    layout = codes.layout

    @tf.custom_gradient
    def run(x, dy):
        of_matrix = tf.matmul(_flat(dy, layout.rows), _flat(x, layout.columns), transpose_a=True)
        sums = _sums_of_parts(of_matrix, _all_rows(codes), codes)

        def gradient(*ddparts):
            return _evaluated(gradients.of_product_scale_gradient(_THIS, codes, x, dy, ddparts))

        return sums, gradient

    return run(x, dy)


def gather(ids, codes: TiledCodes, dtype: tf.DType):
    """ids int64 [...] -> rows of W [..., C].

    An id that is no row is an error on the CPU; on other devices and under XLA its row is NaN.
    """
    layout = codes.layout

    @tf.custom_gradient
    def run(*parts):
        own = codes.with_parts(parts)
        values = _valid(ids, layout, _values(_stored_rows(ids, own), own))
        values = _unflat(tf.cast(values, dtype), layout.columns, _dimensions(ids))
        return values, lambda dout: _evaluated(gradients.of_gather(_THIS, own, ids, dout))

    return run(*codes.parts)


def gather_scale_gradient(ids, dout, codes: TiledCodes) -> tuple:
    """ids int64 [...], dout [..., C] -> (dscales,) or (dscales, doffset), float32."""
    layout = codes.layout

    @tf.custom_gradient
    def run(dout):
        values = _valid(ids, layout, _flat(dout, layout.columns))
        sums = _sums_of_parts(values, _stored_rows(ids, codes), codes)

        def gradient(*ddparts):
            both = gradients.of_gather_scale_gradient(_THIS, codes, ids, dout, ddparts)
            return _evaluated(both)

        return sums, gradient

    return run(dout)


def _evaluated(gradient):
    of_firsts, of_parts = gradient
    results = [function() for function in of_firsts]
    return results if of_parts is None else [*results, *of_parts()]


def _matrix(codes: TiledCodes):
    # W, float32 [R, C].
    return _values(_all_rows(codes), codes)


def _values(rows, codes: TiledCodes):
    # The values of the stored rows int64 [n], float32 [n, C].
    words = signs.words_of_rows(codes.tiles, rows, codes.layout)
    scales = tf.gather(codes.scales, rows, axis=2)
    offset = None if codes.offset is None else tf.gather(codes.offset, rows, axis=1)
    return signs.weighted_sum(words, scales, offset, codes.layout)


def _sums_of_parts(dvalues, rows, codes: TiledCodes) -> tuple:
    # The gradient of `_values`, [n, C] -> (dscales,) or (dscales, doffset).
    layout = codes.layout
    words = signs.words_of_rows(codes.tiles, rows, layout)
    dscales = _sum_by_row(signs.signed_sums(words, dvalues, layout), rows, layout.rows)
    if layout.covered is not None:
        dscales = tf.where(layout.covered, dscales, 0.0)
    if codes.offset is None:
        return (dscales,)
    return dscales, _sum_by_row(signs.group_sums(dvalues, layout), rows, layout.rows)


def _all_rows(codes: TiledCodes):
    # The stored rows in the order of the matrix, int64 [R].
    if codes.row_place is None:
        return tf.range(codes.layout.rows, dtype=tf.int64)
    return tf.cast(codes.row_place, tf.int64)


def _stored_rows(ids, codes: TiledCodes):
    # int64 [n]; on the CPU tf.gather raises for an id that is no row.
    return tf.gather(_all_rows(codes), tf.reshape(ids, [-1]))


def _valid(ids, layout: Layout, values):
    # [n, C] with NaN where the id is no row.
    ids = tf.reshape(ids, [-1, 1])
    return tf.where((ids >= 0) & (ids < layout.rows), values, np.float32(np.nan))


def _sum_by_row(sums, rows, count: int):
    # [..., n] of the rows [n] -> [..., count]
    axes = [*range(len(sums.shape))]
    total = tf.math.unsorted_segment_sum(tf.transpose(sums, [axes[-1], *axes[:-1]]), rows, count)
    return tf.transpose(total, [*axes[1:], 0])


def _flat(tensor, last: int):
    # [..., last] -> float32 [n, last]
    return tf.cast(tf.reshape(tensor, [-1, last]), tf.float32)


def _unflat(values, last: int, batch):
    # [n, last] -> [*batch, last]
    shape = [*batch, last] if isinstance(batch, list) else tf.concat([batch, [last]], axis=0)
    return tf.reshape(values, shape)


def _batch(tensor):
    return _dimensions(tensor)[:-1]


def _dimensions(tensor):
    # A list where all is known, so that the shape of the result is known too.
    known = tensor.shape.is_fully_defined()
    return tensor.shape.as_list() if known else tf.shape(tensor)
