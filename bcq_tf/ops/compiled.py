"""The compiled ops, native/tf: the five functions that `gradients` speaks of."""

from __future__ import annotations

import sys

import tensorflow as tf

from bcq_tf.ops import gradients
from bcq_tf.ops.engine import library
from bcq_tf.ops.layout import Layout
from bcq_tf.ops.tiled_codes import TiledCodes

_THIS = sys.modules[__name__]


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


def _codes_of(op) -> TiledCodes:
    # The codes that an op was called with: its last five inputs, and its attributes.
    tiles, scales, *others = op.inputs[-5:]
    layout = Layout(
        *(op.get_attr(name) for name in ("rows", "columns", "group_size", "plane_rows"))
    )
    offset, row_order, row_place = (None if part.shape == [0] else part for part in others)
    return TiledCodes(tiles, scales, layout, offset, row_order, row_place)


def _for_inputs(op, gradient, not_floats: int = 0) -> list:
    # The gradients that are wanted, one an input; the first inputs may be other than floats.
    of_firsts, of_parts = gradient
    skipped = set(getattr(op, "skip_input_indices", None) or ())
    results = [None] * len(op.inputs)
    for i, function in enumerate(of_firsts, not_floats):
        results[i] = None if i in skipped else function()
    scales = len(op.inputs) - 4
    if of_parts is not None and not {scales, scales + 1} <= skipped:
        parts = of_parts()
        results[scales : scales + len(parts)] = parts
    return results


@tf.RegisterGradient("BcqProduct")
def _product_gradient(op, dy):
    return _for_inputs(op, gradients.of_product(_THIS, _codes_of(op), op.inputs[0], dy))


@tf.RegisterGradient("BcqProductTransposed")
def _product_transposed_gradient(op, ddx):
    codes = _codes_of(op)
    return _for_inputs(op, gradients.of_product_transposed(_THIS, codes, op.inputs[0], ddx))


@tf.RegisterGradient("BcqProductScaleGradient")
def _product_scale_gradient_gradient(op, *ddparts):
    codes = _codes_of(op)
    x, dy = op.inputs[:2]
    gradient = gradients.of_product_scale_gradient(_THIS, codes, x, dy, _present(codes, ddparts))
    return _for_inputs(op, gradient)


@tf.RegisterGradient("BcqGather")
def _gather_gradient(op, dout):
    gradient = gradients.of_gather(_THIS, _codes_of(op), op.inputs[0], dout)
    return _for_inputs(op, gradient, not_floats=1)


@tf.RegisterGradient("BcqGatherScaleGradient")
def _gather_scale_gradient_gradient(op, *ddparts):
    codes = _codes_of(op)
    ids, dout = op.inputs[:2]
    gradient = gradients.of_gather_scale_gradient(_THIS, codes, ids, dout, _present(codes, ddparts))
    return _for_inputs(op, gradient, not_floats=1)
