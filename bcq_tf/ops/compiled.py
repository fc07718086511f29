"""The compiled ops on binary codes, native/tf, and their gradients in terms of the ops themselves.

With W the matrix that the codes stand for, y = x W^T is linear in x and linear in the scales and
the offset ("the parts"), and so is everything here. So six functions are closed under
differentiation, to any order:

    product(x)                      y = x W^T
    product_transposed(dy)          dx = dy W
    product_scale_gradient(x, dy)   dscales[g, i, r] = sum over batch b and columns c of group g of
                                        dy[b, r] x[b, c] sign(i, r, c);   doffset the same, no sign
    gather(ids)                     rows of W
    gather_scale_gradient(ids, dout)
                                    the same with the rows of dout whose id is r
    columns()                       W^T
"""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.codes.layout import Layout
from bcq_tf.ops.engine import library
from bcq_tf.ops.tiled_codes import TiledCodes


def product(x, codes: TiledCodes, precision: str = "exact"):
    """x [..., C] -> x W^T [..., R]."""
    return library().bcq_product(x=x, **_arguments(codes), precision=precision)


def product_transposed(dy, codes: TiledCodes):
    """dy [..., R] -> dy W [..., C]."""
    return library().bcq_product_transposed(dy=dy, **_arguments(codes))


def product_scale_gradient(x, dy, codes: TiledCodes) -> tuple:
    """x [..., C], dy [..., R] -> (dscales,) or (dscales, doffset), float32."""
    both = library().bcq_product_scale_gradient(x=x, dy=dy, **_arguments(codes))
    return _present(codes, both)


def gather(ids, codes: TiledCodes, dtype: tf.DType):
    """ids int64 [...] -> rows of W [..., C]."""
    return library().bcq_gather(ids=ids, **_arguments(codes), T=dtype)


def gather_scale_gradient(ids, dout, codes: TiledCodes) -> tuple:
    """ids int64 [...], dout [..., C] -> (dscales,) or (dscales, doffset), float32."""
    both = library().bcq_gather_scale_gradient(ids=ids, dout=dout, **_arguments(codes))
    return _present(codes, both)


def columns(codes: TiledCodes, dtype: tf.DType):
    """W^T [C, R]."""
    return library().bcq_columns(**_arguments(codes), T=dtype)


def _present(codes: TiledCodes, both) -> tuple:
    return tuple(both)[: 1 if codes.offset is None else 2]


def _arguments(codes: TiledCodes) -> dict:
    layout = codes.layout
    no_rows = tf.zeros([0], tf.uint32)
    return {
        "tiles": codes.tiles,
        "scales": codes.scales,
        "offset": tf.zeros([0], codes.scales.dtype) if codes.offset is None else codes.offset,
        "row_order": no_rows if codes.row_order is None else codes.row_order,
        "row_place": no_rows if codes.row_place is None else codes.row_place,
        "rows": layout.rows,
        "columns": layout.columns,
        "group_size": layout.group_size,
        "plane_rows": layout.plane_rows,
    }


@tf.RegisterGradient("BcqProduct")
def _product_gradient(op, dy):
    x, codes = op.inputs[0], _codes_of(op)
    return _for_inputs(
        op, [lambda: product_transposed(dy, codes)], lambda: product_scale_gradient(x, dy, codes)
    )


@tf.RegisterGradient("BcqProductTransposed")
def _product_transposed_gradient(op, ddx):
    dy, codes = op.inputs[0], _codes_of(op)
    return _for_inputs(
        op, [lambda: product(ddx, codes)], lambda: product_scale_gradient(ddx, dy, codes)
    )


@tf.RegisterGradient("BcqProductScaleGradient")
def _product_scale_gradient_gradient(op, *ddparts):
    (x, dy), other = op.inputs[:2], _with_parts(_codes_of(op), ddparts)
    return _for_inputs(op, [lambda: product_transposed(dy, other), lambda: product(x, other)])


@tf.RegisterGradient("BcqGather")
def _gather_gradient(op, dout):
    ids, codes = op.inputs[0], _codes_of(op)
    return _for_inputs(op, [None], lambda: gather_scale_gradient(ids, dout, codes))


@tf.RegisterGradient("BcqGatherScaleGradient")
def _gather_scale_gradient_gradient(op, *ddparts):
    (ids, dout), other = op.inputs[:2], _with_parts(_codes_of(op), ddparts)
    return _for_inputs(op, [None, lambda: gather(ids, other, dout.dtype)])


@tf.RegisterGradient("BcqColumns")
def _columns_gradient(op, dout):
    codes = _codes_of(op)
    rows = tf.range(codes.layout.rows, dtype=tf.int64)
    return _for_inputs(op, [], lambda: gather_scale_gradient(rows, tf.transpose(dout), codes))


def _codes_of(op) -> TiledCodes:
    # The codes that an op was called with: its last five inputs, and its attributes.
    tiles, scales, *others = op.inputs[-5:]
    layout = Layout(
        *(op.get_attr(name) for name in ("rows", "columns", "group_size", "plane_rows"))
    )
    offset, row_order, row_place = (None if part.shape == [0] else part for part in others)
    return TiledCodes(tiles, scales, layout, offset, row_order, row_place)


def _with_parts(codes: TiledCodes, dparts) -> TiledCodes:
    # The same signs with other parts. What a plane does not cover has no gradient.
    dscales, *doffset = _present(codes, dparts)
    if codes.layout.covered is not None:
        dscales = tf.where(codes.layout.covered, dscales, 0.0)
    return codes.with_parts([dscales, *doffset])


def _for_inputs(op, of_firsts: list, of_parts=None) -> list:
    # One gradient an input, those that are wanted: of the first inputs, each by a function or None
    # where it has none, and of scales and offset, both by one function, in float32.
    skipped = set(getattr(op, "skip_input_indices", None) or ())
    results = [None] * len(op.inputs)
    for i, function in enumerate(of_firsts):
        results[i] = None if function is None or i in skipped else function()
    scales = len(op.inputs) - 4
    if of_parts is not None and not {scales, scales + 1} <= skipped:
        parts = [tf.cast(part, op.inputs[scales].dtype) for part in of_parts()]
        results[scales : scales + len(parts)] = parts
    return results
