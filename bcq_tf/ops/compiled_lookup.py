"""The compiled ops on packed integers, native/tf/ops/lookup.h."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops import compiled, engine
from bcq_tf.ops.embedding import has_gpu
from bcq_tf.ops.fields import integer_ids


def chosen() -> bool:
    """Whether look-ups run here. Not on machines with a GPU: the ops are for the CPU alone."""
    return engine.engine() is compiled and not has_gpu()


def uniform_rows(packed, half_step, ids, bits: int, columns: int, zero_rows=None):
    """See `uniform_gather`."""
    return compiled.library().bcq_uniform_rows(
        packed=packed,
        half_step=half_step,
        zero_rows=tf.zeros([0], tf.uint8) if zero_rows is None else zero_rows,
        ids=_narrow_or_wide(ids),
        bits=bits,
        columns=columns,
    )


def compositional_rows(packed, codebooks, ids, bits: int):
    """See `compositional_gather`."""
    return compiled.library().bcq_compositional_rows(
        packed=packed, codebooks=codebooks, ids=_narrow_or_wide(ids), bits=bits
    )


def _narrow_or_wide(ids):
    # As int32 or int64.
    ids = tf.convert_to_tensor(ids)
    return ids if ids.dtype == tf.int32 else integer_ids(ids)


@tf.RegisterGradient("BcqUniformRows")
def _uniform_gradient(op, drows):
    # Rows are half_step times integers.
    packed, half_step, zero_rows, ids = op.inputs
    integers = compiled.library().bcq_uniform_rows(
        packed=packed,
        half_step=tf.ones_like(half_step),
        zero_rows=zero_rows,
        ids=ids,
        bits=op.get_attr("bits"),
        columns=op.get_attr("columns"),
    )
    return None, tf.reduce_sum(drows * integers), None, None


@tf.RegisterGradient("BcqCompositionalRows")
def _compositional_gradient(op, drows):
    packed, codebooks, ids = op.inputs
    count, entries, _ = codebooks.shape
    dcodebooks = compiled.library().bcq_compositional_gradient(
        packed=packed,
        ids=ids,
        dout=drows,
        bits=op.get_attr("bits"),
        count=count,
        entries=entries,
    )
    return None, tf.cast(dcodebooks, codebooks.dtype), None


@tf.RegisterGradient("BcqCompositionalGradient")
def _compositional_gradient_gradient(op, ddcodebooks):
    packed, ids, _ = op.inputs
    return None, None, compositional_rows(packed, ddcodebooks, ids, op.get_attr("bits"))
