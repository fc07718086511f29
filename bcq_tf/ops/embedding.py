"""Rows of embedding tables whose gradient is made by scatter-add: no sort, no sparse tensors.

`compiled_embedding` and `portable_embedding` have the functions that compute:

    gather(table, ids, ...)      rows of the tables, see `bcq_tf.ops.tables.Tables`
    unique(ids, size)            the different ids, and where among these each is
    rows_of_variable(variable, ids)     rows without reading all of it

The first takes the tables' `sizes` and `dims`; the size of a table alone may be -1, that of the
vector `counted`. It can be differentiated to any order.
"""

from __future__ import annotations

import tensorflow as tf

from bcq_tf.ops import compiled_embedding, portable_embedding
from bcq_tf.ops.binary import check_dtype
from bcq_tf.ops.engine import Op, has_gpu
from bcq_tf.ops.tables import Tables

gather = Op(compiled_embedding.gather, portable_embedding.gather)
unique = Op(compiled_embedding.unique, portable_embedding.unique)
rows_of_variable = Op(compiled_embedding.rows_of_variable, portable_embedding.rows_of_variable)


def gather_rows(table, ids, tables: Tables, deterministic: bool = True):
    """The rows that `ids` name; the gradient is one dense tensor like `table`.

    Args:
        table: float32, float16 or bfloat16: [size, dim] of one table, of more one vector with the
            tables back to back, each row after row.
        ids: int32 or int64: [...] of one table, [..., number of tables] of more.
        tables: their sizes.
        deterministic: whether the gradient must have the same bits each time on CUDA devices. (On
            the CPU it has: each sum runs in the order of the ids, whatever the number of threads.)

    Returns:
        [..., columns of all tables], in the dtype of `table`. The gradient is summed in float32.

    Raises:
        TypeError: another dtype.
        tf.errors.InvalidArgumentError: an id is no row; the message names table and id. On CUDA
            devices, and under XLA where the library is not compiled, such a row is NaN instead and
            has no gradient.
    """
    table, ids = tf.convert_to_tensor(table), tf.convert_to_tensor(ids)
    check_dtype("table", table.dtype)
    if ids.dtype not in (tf.int32, tf.int64):
        raise TypeError(f"`ids` must be int32 or int64. Received: {ids.dtype.name}")
    # Of CUDA devices TensorFlow keeps int32 in the host's memory.
    ids = tf.cast(ids, tf.int64) if has_gpu() else ids
    return gather(table, ids, None, tables.sizes, tables.dims, deterministic)


def gather_rows_sparse(variable: tf.Variable, ids, repeats: bool = True):
    """The rows of a variable [size, dim] that `ids` name; the gradient is `tf.IndexedSlices`.

    The variable is not read as a whole. Each row of the gradient stands once, so that optimizers
    see sums, as in a dense gradient; with `repeats=False` it has a row for each id.

    Raises:
        tf.errors.InvalidArgumentError: an id is no row, see `gather_rows`.
    """
    size, dim = variable.shape
    if not repeats:
        return rows_of_variable(variable, ids)
    found, slots = unique(ids, size)
    rows = rows_of_variable(variable, found)
    return gather(rows, slots, tf.cast(found, slots.dtype), (-1,), (dim,), True)
