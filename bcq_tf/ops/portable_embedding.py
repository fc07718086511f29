"""The embedding ops in plain TensorFlow: the functions that `embedding` speaks of.

Gradients are summed in float32. On the CPU each sum runs in the order of the ids, as that of the
compiled op; on GPUs TensorFlow says nothing of the order.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def gather(table, ids, counted, sizes, dims, deterministic: bool):
    """Rows of the tables.

    An id that is no row is an error on the CPU; on other devices and under XLA its row is NaN.
    """
    del counted, deterministic
    if len(dims) == 1:
        return _rows_of_table(table, ids, "ids")
    shapes = list(zip(sizes, dims, strict=True))
    pieces = tf.split(table, [size * dim for size, dim in shapes])
    rows = [
        _rows_of_table(tf.reshape(piece, shape), ids[..., t], f"ids_of_table_{t}")
        for t, (piece, shape) in enumerate(zip(pieces, shapes, strict=True))
    ]
    return tf.concat(rows, axis=-1)


def unique(ids, size: int) -> tuple:
    """(the different ones among the ids, the place there of each)."""
    del size  # an id that is no row is an error where rows are gathered
    found, slots = tf.unique(tf.reshape(ids, [-1]))
    return found, tf.reshape(slots, tf.shape(ids))


def rows_of_variable(variable: tf.Variable, ids):
    """The rows of a variable [size, dim]; the gradient is `tf.IndexedSlices`."""
    return _rows(variable, ids, "ids")


def _rows_of_table(table, ids, name: str):
    # With a dense gradient.
    @tf.custom_gradient
    def run(table):
        def gradient(drows):
            values = tf.cast(tf.reshape(drows, [-1, table.shape[1]]), tf.float32)
            size = tf.shape(table)[0]
            sums = tf.math.unsorted_segment_sum(values, tf.reshape(ids, [-1]), size)
            return tf.cast(sums, table.dtype)

        return _rows(table, ids, name), gradient

    return run(table)


def _rows(table, ids, name: str):
    rows = tf.gather(table, ids, name=name)
    ids = ids[..., tf.newaxis]
    size = table.shape[0]
    valid = (ids >= 0) & (ids < (tf.shape(table, out_type=ids.dtype)[0] if size is None else size))
    return tf.where(valid, rows, tf.cast(np.nan, rows.dtype))
