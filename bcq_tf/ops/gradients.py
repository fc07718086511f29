"""The gradients of the ops, in terms of the ops themselves.

With W the matrix that the codes stand for, y = x W^T is linear in x and linear in the scales and
the offset ("the parts"), and so is everything here. So five functions are closed under
differentiation, to any order:

    product(x)                      y = x W^T
    product_transposed(dy)          dx = dy W
    product_scale_gradient(x, dy)   dscales[g, i, r] = sum over batch b and columns c of group g of
                                        dy[b, r] x[b, c] sign(i, r, c);   doffset the same, no sign
    gather(ids)                     rows of W
    gather_scale_gradient(ids, dout)
                                    the same with the rows of dout whose id is r

`engine` is the module that has them, `compiled` or `portable`. Each gradient is a pair of what a
call computes when it is wanted: a list with one function for each float tensor argument, and a
function for the parts, which returns one gradient for each of them, or None where it does not
depend on them.
"""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops.tiled_codes import TiledCodes


def of_product(engine, codes: TiledCodes, x, dy):
    """Of y = product(x)."""
    return [lambda: engine.product_transposed(dy, codes)], _of_parts(engine, codes, x, dy)


def of_product_transposed(engine, codes: TiledCodes, dy, ddx):
    """Of dx = product_transposed(dy)."""
    return [lambda: engine.product(ddx, codes)], _of_parts(engine, codes, ddx, dy)


def of_product_scale_gradient(engine, codes: TiledCodes, x, dy, dparts):
    """Of dscales, doffset = product_scale_gradient(x, dy)."""
    other = _with_parts(codes, dparts)
    return [lambda: engine.product_transposed(dy, other), lambda: engine.product(x, other)], None


def of_gather(engine, codes: TiledCodes, ids, dout):
    """Of gather(ids)."""
    return [], lambda: _like_parts(codes, engine.gather_scale_gradient(ids, dout, codes))


def of_gather_scale_gradient(engine, codes: TiledCodes, ids, dout, dparts):
    """Of dscales, doffset = gather_scale_gradient(ids, dout)."""
    other = _with_parts(codes, dparts)
    return [lambda: engine.gather(ids, other, dout.dtype)], None


def _of_parts(engine, codes: TiledCodes, x, dy):
    return lambda: _like_parts(codes, engine.product_scale_gradient(x, dy, codes))


def _like_parts(codes: TiledCodes, gradients) -> tuple:
    # The float32 gradients of scales and offset in the parts' dtype; no second without an offset.
    return tuple(tf.cast(gradient, codes.scales.dtype) for gradient in gradients)


def _with_parts(codes: TiledCodes, dparts) -> TiledCodes:
    # The same signs with other parts. What a plane does not cover has no gradient.
    dscales, *doffset = dparts
    if codes.layout.covered is not None:
        dscales = tf.where(codes.layout.covered, dscales, 0.0)
    return codes.with_parts([dscales, *doffset])
