"""`compositional_gather`: rows that are sums of codebook vectors."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops.engine import Op, library
from bcq_tf.ops.fields import gather_fields, integer_ids, nan_where_no_row, narrow_or_wide


def compositional_gather(packed, codebooks, ids, bits: int):
    """The rows `ids` of the matrix that `CompositionalCodes` of these parts stand for.

    The vectors are added one codebook after the other, so that there is never more than one vector
    a row in memory. The gradient's sums are float32; the compiled op's run in the order of the ids.

    Args:
        packed: uint8 [R, ceil(M bits / 8)].
        codebooks: float32 or float16 [M, K, D]. The gradient by them is dense.
        ids: integers from 0 to R - 1, of any shape.
        bits: of an index.

    Returns:
        float32 [..., D], the bits of `CompositionalCodes.reconstruct()[ids]`.

    Raises:
        TypeError, tf.errors.InvalidArgumentError: as of `uniform_gather`.
    """
    return gather(packed, codebooks, ids, bits)


def _compiled(packed, codebooks, ids, bits: int):
    return library().bcq_compositional_rows(
        packed=packed, codebooks=codebooks, ids=narrow_or_wide(ids), bits=bits
    )


@tf.RegisterGradient("BcqCompositionalRows")
def _gradient(op, drows):
    packed, codebooks, ids = op.inputs
    count, entries, _ = codebooks.shape
    dcodebooks = library().bcq_compositional_gradient(
        packed=packed,
        ids=ids,
        dout=drows,
        bits=op.get_attr("bits"),
        count=count,
        entries=entries,
    )
    return None, tf.cast(dcodebooks, codebooks.dtype), None


@tf.RegisterGradient("BcqCompositionalGradient")
def _gradient_gradient(op, ddcodebooks):
    packed, ids, _ = op.inputs
    return None, None, _compiled(packed, ddcodebooks, ids, op.get_attr("bits"))


def _portable(packed, codebooks, ids, bits: int):
    ids = integer_ids(ids)
    count, entries, dimensions = codebooks.shape
    indexes = gather_fields(packed, ids, bits, count)
    vectors = tf.reshape(tf.cast(codebooks, tf.float32), [-1, dimensions])
    total = tf.gather(vectors, indexes[..., 0])
    for m in range(1, count):
        # Without the dependency, TensorFlow gathers all and adds them in another order.
        with tf.control_dependencies([total]):
            vector = tf.gather(vectors, indexes[..., m] + m * entries)
        total += vector
    return nan_where_no_row(total, ids, packed.shape[0])


gather = Op(_compiled, _portable, on_gpu=False)
