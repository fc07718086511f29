"""`uniform_gather`: rows of a matrix on equally spaced levels."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops.engine import Op, library
from bcq_tf.ops.fields import cut, gather_fields, integer_ids, nan_where_no_row, narrow_or_wide


def uniform_gather(packed, half_step, ids, bits: int, columns: int, zero_rows=None):
    """The rows `ids` of the matrix that `UniformCodes` of these parts stand for.

    Args:
        packed: uint8 [R, ceil(columns bits / 8)].
        half_step: float32 scalar, `UniformCodes.half_step`.
        ids: integers from 0 to R - 1, of any shape.
        bits: of a field, 1 to 8.
        columns: C.
        zero_rows: uint8 [ceil(R / 8)] as `UniformCodes` has it, or None.

    Returns:
        float32 [..., C], the values of `UniformCodes.reconstruct()[ids]`.

    Raises:
        TypeError: ids are no integers.
        tf.errors.InvalidArgumentError: an id is no row; the message names it. Plain TensorFlow ops
            cannot raise on a GPU or under XLA: such a row is NaN there.
    """
    return gather(packed, half_step, ids, bits, columns, zero_rows)


def _compiled(packed, half_step, ids, bits: int, columns: int, zero_rows):
    return library().bcq_uniform_rows(
        packed=packed,
        half_step=half_step,
        zero_rows=tf.zeros([0], tf.uint8) if zero_rows is None else zero_rows,
        ids=narrow_or_wide(ids),
        bits=bits,
        columns=columns,
    )


@tf.RegisterGradient("BcqUniformRows")
def _gradient(op, drows):
    # Rows are half_step times integers.
    packed, half_step, zero_rows, ids = op.inputs
    sizes = op.get_attr("bits"), op.get_attr("columns")
    integers = _compiled(packed, tf.ones_like(half_step), ids, *sizes, zero_rows)
    return None, tf.reduce_sum(drows * integers), None, None


def _portable(packed, half_step, ids, bits: int, columns: int, zero_rows):
    ids = integer_ids(ids)
    fields = gather_fields(packed, ids, bits, columns, tf.float32)
    steps = nan_where_no_row(_steps(half_step, ids, zero_rows), ids, packed.shape[0])
    # Half an odd number times twice half_step: the bits of 2 k - L times half_step.
    return (fields - ((1 << bits) - 1) / 2) * steps


def _steps(half_step, ids, zero_rows):
    # Of each row [..., 1], 0 in rows of zeros.
    steps = tf.fill(tf.concat([tf.shape(ids), [1]], 0), 2 * tf.convert_to_tensor(half_step))
    if zero_rows is None:
        return steps
    ids = tf.cast(ids, tf.int32)
    marks = tf.cast(tf.gather(zero_rows, ids // 8), tf.int32)
    marked = tf.cast(cut(marks, ids % 8, 1), tf.bool)[..., tf.newaxis]
    return tf.where(marked, 0.0, steps)


gather = Op(_compiled, _portable, on_gpu=False)
