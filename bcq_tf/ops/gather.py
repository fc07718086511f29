"""`bcq_gather`: rows of a matrix of binary codes."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.ops.engine import engine
from bcq_tf.ops.matmul import check_dtype
from bcq_tf.ops.tiled_codes import TiledCodes, tiled


def bcq_gather(codes: BinaryCodes | TiledCodes, ids, dtype=tf.float32):
    """The rows `ids` of the matrix W [R, C] that `codes` stand for: an embedding from its codes.

    Args:
        codes: `TiledCodes`, or `BinaryCodes`, which are put into tiles at each call.
        ids: integers from 0 to R - 1, of any shape.
        dtype: of the result: float32, float16 or bfloat16.

    Returns:
        [..., C], in float32 the same bits as `codes.reconstruct()[ids]`. Differentiable by scales
        and offset as `bcq_matmul` is.

    Raises:
        TypeError: ids are no integers, or codes are no codes.
        tf.errors.InvalidArgumentError: an id is no row; the message names it. Plain TensorFlow ops
            cannot raise on a GPU or under XLA: such a row is NaN there.
    """
    codes = tiled(codes)
    dtype = tf.as_dtype(dtype)
    check_dtype("dtype", dtype)
    ids = tf.convert_to_tensor(ids)
    if not ids.dtype.is_integer:
        raise TypeError(f"`ids` must be integers. Received: {ids.dtype.name}")
    return engine().gather(tf.cast(ids, tf.int64), codes, dtype)
