"""The compiled embedding ops, native/tf/ops/tables.h: the functions that `embedding` speaks of."""

from __future__ import annotations

import tensorflow as tf

from bcq_tf._tensorflow import variable_accessed
from bcq_tf.ops.engine import library


def gather(table, ids, counted, *sizes):
    """Rows of the tables; sizes: `sizes`, `dims` and `deterministic`."""
    return library().bcq_tables_gather(table=table, **_arguments(ids, counted, *sizes))


def gradient(ids, drows, counted, *sizes):
    """The gradient of the tables: the sum over all places of drows at the rows that ids name."""
    return library().bcq_tables_gradient(dout=drows, **_arguments(ids, counted, *sizes))


def unique(ids, size: int) -> tuple:
    """(the different ones among the ids, the place there of each)."""
    return library().bcq_unique_ids(ids=ids, size=size)


def rows_of_variable(variable: tf.Variable, ids):
    """The rows of a variable [size, dim]; the gradient is `tf.IndexedSlices`."""
    variable_accessed(variable)  # tapes then watch it
    size, dim = variable.shape
    handle, dtype = variable.handle, variable.dtype
    return library().bcq_variable_rows(variable=handle, ids=ids, size=size, dim=dim, T=dtype)


def _arguments(ids, counted, sizes, dims, deterministic: bool) -> dict:
    counted = tf.zeros([0], ids.dtype) if counted is None else counted
    return {
        "ids": ids,
        "counted": counted,
        "sizes": sizes,
        "dims": dims,
        "deterministic": deterministic,
    }


def _sizes(op) -> list:
    return [op.get_attr(name) for name in ("sizes", "dims", "deterministic")]


@tf.RegisterGradient("BcqTablesGather")
def _gather_gradient(op, drows):
    _, ids, counted = op.inputs
    return gradient(ids, drows, counted, *_sizes(op)), None, None


@tf.RegisterGradient("BcqTablesGradient")
def _gradient_gradient(op, ddtable):
    ids, _, counted = op.inputs
    ddtable = tf.convert_to_tensor(ddtable)
    return None, gather(ddtable, ids, counted, *_sizes(op)), None


@tf.RegisterGradient("BcqVariableRows")
def _variable_rows_gradient(op, drows):
    size, dim = op.get_attr("size"), op.get_attr("dim")
    values, ids = tf.reshape(drows, [-1, dim]), tf.reshape(op.inputs[1], [-1])
    return tf.IndexedSlices(values, ids, tf.constant([size, dim], ids.dtype)), None


tf.no_gradient("BcqUniqueIds")
