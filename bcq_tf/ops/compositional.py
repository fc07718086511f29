"""`compositional_gather`: rows that are sums of codebook vectors, in plain TensorFlow ops."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops.fields import gather_fields, integer_ids, nan_where_no_row


def compositional_gather(packed, codebooks, ids, bits: int):
    """The rows `ids` of the matrix that `CompositionalCodes` of these parts stand for.

    The vectors are added one codebook after the other, so that there is never more than one vector
    a row in memory.

    Args:
        packed: uint8 [R, ceil(M bits / 8)].
        codebooks: float32 or float16 [M, K, D]. The gradient by them is dense.
        ids: integers from 0 to R - 1, of any shape.
        bits: of an index.

    Returns:
        float32 [..., D], the bits of `CompositionalCodes.reconstruct()[ids]`.

    Raises:
        TypeError: ids are no integers.
        tf.errors.InvalidArgumentError: on the CPU, an id is no row. On a GPU and under XLA
            TensorFlow cannot raise: such a row is NaN there.
    """
    ids = integer_ids(ids)
    count, entries, dimensions = codebooks.shape
    indexes = gather_fields(packed, ids, bits, count)
    vectors = tf.reshape(tf.cast(codebooks, tf.float32), [-1, dimensions])
    total = tf.gather(vectors, indexes[..., 0])
    for m in range(1, count):
        total += tf.gather(vectors, indexes[..., m] + m * entries)
    return nan_where_no_row(total, ids, packed.shape[0])
