"""`gather_fields`: rows of packed integers, unpacked, in plain TensorFlow ops."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bcq_tf.ops.engine import BITWISE, lacks

MAX_FIELD_BITS = 16


def gather_fields(packed, ids, bits: int, columns: int, dtype=tf.int32):
    """The rows `ids` of a matrix of small integers that are packed as `packing.pack_fields` does.

    Args:
        packed: uint8 [R, ceil(columns bits / 8)]: field c is at bits c bits ... (c + 1) bits - 1 of
            its row, bit t of a row being bit t % 8 of byte t // 8.
        ids: integers from 0 to R - 1, of any shape.
        bits: of a field, 1 to 16.
        columns: fields of a row.
        dtype: of the result.

    Returns:
        [..., columns].

    Raises:
        ValueError: sizes that do not fit together.
        TypeError: ids are no integers.
        tf.errors.InvalidArgumentError: on the CPU, an id is no row. On a GPU and under XLA
            TensorFlow cannot raise: see `nan_where_no_row`.
    """
    if not 1 <= bits <= MAX_FIELD_BITS:
        raise ValueError(f"`bits` must be from 1 to {MAX_FIELD_BITS}. Received: bits={bits}")
    width = -(-columns * bits // 8)
    if packed.shape[1] != width:
        raise ValueError(
            f"`packed` must have {width} bytes a row for {columns} fields of {bits} bits. "
            f"Received: shape {tuple(packed.shape)}"
        )
    ids = integer_ids(ids)
    rows = tf.gather(packed, tf.reshape(ids, [-1]))
    unpack = _whole_parts if 8 % bits == 0 else _words if bits < 8 else _fields
    if lacks(BITWISE):
        unpack = _fields
    fields = tf.cast(unpack(rows, bits, columns), dtype)
    return tf.reshape(fields, tf.concat([tf.shape(ids), [columns]], 0))


def cut(words, shifts, bits: int):
    """The integers of `bits` bits from bit `shifts` on in int32 words below 2^24, 0 or more."""
    if lacks(BITWISE):
        powers = tf.constant(1 << np.arange(MAX_FIELD_BITS + 8), tf.int32)
        return words // tf.gather(powers, shifts) % (1 << bits)
    return tf.bitwise.bitwise_and(tf.bitwise.right_shift(words, shifts), (1 << bits) - 1)


def nan_where_no_row(values, ids, rows: int):
    """`values` [..., C], NaN where the id [...] is not from 0 to rows - 1.

    For what follows a gather on a device that cannot raise; on the CPU it changes nothing.
    """
    ids = integer_ids(ids)[..., None]
    return tf.where((ids >= 0) & (ids < rows), values, tf.cast(np.nan, values.dtype))


def integer_ids(ids):
    """ids as an int64 tensor; raises TypeError where they are no integers."""
    ids = tf.convert_to_tensor(ids)
    if not ids.dtype.is_integer:
        raise TypeError(f"`ids` must be integers. Received: {ids.dtype.name}")
    return tf.cast(ids, tf.int64)


def narrow_or_wide(ids):
    """ids as an int32 or int64 tensor; raises TypeError where they are no integers."""
    ids = tf.convert_to_tensor(ids)
    return ids if ids.dtype == tf.int32 else integer_ids(ids)


def _whole_parts(rows, bits: int, columns: int):
    # Fields that never cross a byte: several times as fast as `_fields` outside XLA.
    if bits < 8:
        shifts = np.arange(0, 8, bits, dtype=np.uint8)
        parts = tf.bitwise.right_shift(rows[:, :, None], shifts)
        parts = tf.bitwise.bitwise_and(parts, np.uint8((1 << bits) - 1))
        rows = tf.reshape(parts, [-1, rows.shape[1] * len(shifts)])[:, :columns]
    return rows


def _words(rows, bits: int, columns: int):
    # 3, 5, 6 and 7 bits: fields that fill whole bytes together are cut from them as one integer. A
    # third to half of the time of `_fields`.
    size = bits // 2 if bits == 6 else bits  # bytes of a word
    each = 8 * size // bits
    count = -(-columns // each)
    dtype = tf.int32 if size < 4 else tf.int64
    rows = tf.pad(rows, [[0, 0], [0, count * size - rows.shape[1]]])
    octets = tf.unstack(tf.cast(tf.reshape(rows, [-1, count, size]), dtype), axis=-1)
    words = octets[0]
    for i, octet in enumerate(octets[1:], 1):
        words = tf.bitwise.bitwise_or(
            words, tf.bitwise.left_shift(octet, tf.constant(8 * i, dtype))
        )
    shifts = tf.constant(np.arange(each) * bits, dtype)
    fields = tf.bitwise.right_shift(words[..., tf.newaxis], shifts)
    fields = tf.bitwise.bitwise_and(fields, tf.constant((1 << bits) - 1, dtype))
    return tf.reshape(fields, [-1, count * each])[:, :columns]


def _fields(rows, bits: int, columns: int):
    # Each field is cut from the two or three bytes that hold it.
    first, shifts = np.divmod(np.arange(columns, dtype=np.int32) * bits, 8)
    last = rows.shape[1] - 1
    rows = tf.cast(rows, tf.int32)
    words = tf.gather(rows, first, axis=1)
    for i in range(1, (max(shifts) + bits - 1) // 8 + 1):
        # The byte past a row's end has no bit of a field: the last one stands in for it.
        more = tf.gather(rows, np.minimum(first + i, last), axis=1)
        words += more * (1 << 8 * i)
    return cut(words, shifts, bits)
