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

    @tf.custom_gradient
    def run(table):
        parts = [
            _rows(part, part_ids, name)
            for part, part_ids, name in _tables(table, ids, counted, sizes, dims)
        ]

        def of_table(drows):
            return gradient(ids, drows, counted, sizes, dims, deterministic)

        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1), of_table

    return run(table)


def gradient(ids, drows, counted, sizes, dims, deterministic: bool):
    """The gradient of the tables from that of the rows."""

    @tf.custom_gradient
    def run(drows):
        parts = [drows] if len(dims) == 1 else tf.split(drows, list(dims), axis=-1)
        tables = [
            _sums(part, _ids_of(ids, t, len(dims)), _size(sizes[t], counted), dims[t])
            for t, part in enumerate(parts)
        ]
        if len(dims) == 1:
            dtable = tables[0]
        else:
            dtable = tf.concat([tf.reshape(table, [-1]) for table in tables], axis=0)

        def of_drows(ddtable):
            ddtable = tf.convert_to_tensor(ddtable)
            return gather(ddtable, ids, counted, sizes, dims, deterministic)

        return dtable, of_drows

    return run(drows)


def unique(ids, size: int) -> tuple:
    """(the different ones among the ids, the place there of each)."""
    del size  # an id that is no row is an error where rows are gathered
    found, slots = tf.unique(tf.reshape(ids, [-1]))
    return found, tf.reshape(slots, tf.shape(ids))


def rows_of_variable(variable: tf.Variable, ids):
    """The rows of a variable [size, dim]; the gradient is `tf.IndexedSlices`."""
    return _rows(variable, ids, "ids")


def _tables(table, ids, counted, sizes, dims):
    # (table [size, dim], its ids, a name for errors) of each.
    if len(dims) == 1:
        yield table, ids, "ids"
        return
    pieces = tf.split(table, [size * dim for size, dim in zip(sizes, dims, strict=True)])
    for t, piece in enumerate(pieces):
        yield tf.reshape(piece, [sizes[t], dims[t]]), ids[..., t], f"ids_of_table_{t}"


def _ids_of(ids, t: int, count: int):
    return ids if count == 1 else ids[..., t]


def _size(size: int, counted):
    return tf.size(counted) if size < 0 else size


def _rows(table, ids, name: str):
    rows = tf.gather(table, ids, name=name)
    ids = ids[..., tf.newaxis]
    size = table.shape[0]
    valid = (ids >= 0) & (ids < (tf.shape(table, out_type=ids.dtype)[0] if size is None else size))
    return tf.where(valid, rows, tf.cast(np.nan, rows.dtype))


def _sums(drows, ids, size, dim: int):
    values = tf.cast(tf.reshape(drows, [-1, dim]), tf.float32)
    sums = tf.math.unsorted_segment_sum(values, tf.reshape(ids, [-1]), size)
    return tf.cast(sums, drows.dtype)
