"""Keys and values that attention has computed before, kept as the next position reads them.

There are two forms with the same methods. `GrowingCache` is the faster one in a plain graph, where
an op more costs microseconds and shapes may change; `BlockCache` has the fixed shapes that XLA
needs, and is compiled into loops over the positions in use alone.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

BLOCK = 8
"""Positions that `BlockCache` attends to at once: one 256-bit register of float32."""

BUCKET = 16
"""`BlockCache` has room for multiples of so many positions of a source: XLA compiles for each."""


class GrowingCache(NamedTuple):
    """Keys and values that grow by one position a step.

    Joining costs less than attending to the unused part of a larger buffer.

    keys, values: float [B, heads, S, key_dim]; the keys are scaled.
    """

    keys: tf.Tensor
    values: tf.Tensor

    @classmethod
    def empty(cls, rows, capacity, num_heads, key_dim, dtype):
        """A cache of no position."""
        return cls(*[tf.zeros([rows, num_heads, 0, key_dim], dtype)] * 2)

    @classmethod
    def of(cls, keys, values):
        """A cache of all positions of keys and values [B, S, heads, key_dim]."""
        return cls(*(tf.transpose(t, [0, 2, 1, 3]) for t in (keys, values)))

    @staticmethod
    def room(length):
        """For how many positions of a source of `length` there is room."""
        return length

    @staticmethod
    def visible(mask, dtype):
        """What `attend` takes as `visible`, from a mask bool [B, S], True where it may attend."""
        return _bias(mask, dtype)[:, tf.newaxis, tf.newaxis]

    @staticmethod
    def visible_until(step, capacity, dtype):
        """The same where all positions up to `step` may be attended to."""
        return None

    def shape_invariants(self):
        """What stays the same of the shapes when positions are added."""
        return type(self)(*(tf.TensorShape([None, t.shape[1], None, t.shape[3]]) for t in self))

    def extended(self, keys, values, step):
        """With position number `step` added: keys and values [B, 1, heads, key_dim]."""
        heads, key_dim = keys.shape[2:]
        new = (tf.reshape(t, [-1, heads, 1, key_dim]) for t in (keys, values))
        return type(self)(*(tf.concat(pair, axis=2) for pair in zip(self, new, strict=True)))

    def attend(self, query, visible):
        """Attends from one position: query [B, 1, heads, key_dim] -> same shape."""
        query_shape = tf.shape(query)
        query = tf.reshape(query, [-1, query.shape[2], 1, query.shape[3]])
        scores = tf.matmul(query, self.keys, transpose_b=True)
        if visible is not None:
            scores += visible
        return tf.reshape(tf.matmul(tf.nn.softmax(scores), self.values), query_shape)

    def gather(self, rows):
        """The cache of these rows of the batch."""
        return type(self)(*(tf.gather(t, rows) for t in self))


class BlockCache(NamedTuple):
    """Keys and values in a buffer of fixed size, written in place, BLOCK positions side by side.

    Within a block the positions of the keys and the elements of the values lie next to each other:
    sums over the other axis run in vector registers.

    keys: float [blocks, B, heads, key_dim, BLOCK], scaled.
    values: float [blocks, B, heads, BLOCK, key_dim].
    """

    keys: tf.Tensor
    values: tf.Tensor

    @classmethod
    def empty(cls, rows, capacity, num_heads, key_dim, dtype):
        """A cache with room for `capacity` positions."""
        blocks = -(-capacity // BLOCK)
        return cls(
            tf.zeros([blocks, rows, num_heads, key_dim, BLOCK], dtype),
            tf.zeros([blocks, rows, num_heads, BLOCK, key_dim], dtype),
        )

    @classmethod
    def of(cls, keys, values):
        """A cache of all positions of keys and values [B, S, heads, key_dim]."""
        keys, values = (_blocks(t) for t in (keys, values))
        return cls(tf.transpose(keys, [1, 0, 3, 4, 2]), tf.transpose(values, [1, 0, 3, 2, 4]))

    @staticmethod
    def room(length):
        """For how many positions of a source of `length` there is room."""
        return -(-length // BUCKET) * BUCKET

    @staticmethod
    def visible(mask, dtype):
        """What `attend` takes as `visible`, from a mask bool [B, S], True where it may attend."""
        blocks = _blocks(mask)
        used = tf.reduce_any(blocks, axis=[0, 2])
        count = tf.reduce_max(tf.where(used, tf.range(1, tf.size(used) + 1), 1))
        return _bias(tf.transpose(blocks, [1, 0, 2])[:, :, tf.newaxis, tf.newaxis], dtype), count

    @staticmethod
    def visible_until(step, capacity, dtype):
        """The same where all positions up to `step` may be attended to."""
        positions = tf.range(-(-capacity // BLOCK) * BLOCK)
        mask = tf.reshape(positions <= step, [-1, 1, 1, 1, BLOCK])
        return _bias(mask, dtype), step // BLOCK + 1

    def shape_invariants(self):
        """What stays the same of the shapes when positions are added."""
        return type(self)(*(tf.TensorShape([None, None, *t.shape[2:]]) for t in self))

    def extended(self, keys, values, step):
        """With position number `step` added: keys and values [B, 1, heads, key_dim]."""
        block, place = step // BLOCK, step % BLOCK
        heads, key_dim = keys.shape[2:]
        keys = tf.reshape(keys, [1, -1, heads, key_dim, 1])
        values = tf.reshape(values, [1, -1, heads, 1, key_dim])
        return type(self)(
            keras.ops.slice_update(self.keys, [block, 0, 0, 0, place], keys),
            keras.ops.slice_update(self.values, [block, 0, 0, place, 0], values),
        )

    def attend(self, query, visible):
        """Attends from one position: query [B, 1, heads, key_dim] -> same shape.

        The softmax is summed up block by block (Milakov and Gimelshein 2018).
        """
        bias, count = visible
        rows, heads, key_dim = tf.shape(query)[0], *query.shape[2:]
        query = tf.reshape(query, [rows, heads, key_dim, 1])

        def add_block(i, largest, total, sums):
            scores = tf.reduce_sum(query * self.keys[i], axis=2, keepdims=True) + bias[i]
            before, largest = largest, tf.maximum(largest, tf.reduce_max(scores, -1, keepdims=True))
            weights, decay = tf.exp(scores - largest), tf.exp(before - largest)
            total = total * decay + tf.reduce_sum(weights, axis=-1, keepdims=True)
            weights = tf.reshape(weights, [rows, heads, BLOCK, 1])
            update = tf.reduce_sum(weights * self.values[i], axis=2, keepdims=True)
            return i + 1, largest, total, sums * decay + update

        state = (
            tf.constant(0),
            tf.fill([rows, heads, 1, 1], query.dtype.min),
            tf.zeros([rows, heads, 1, 1], query.dtype),
            tf.zeros([rows, heads, 1, key_dim], query.dtype),
        )
        _, _, total, sums = tf.while_loop(lambda i, *_: i < count, add_block, state)
        return tf.reshape(sums / total, [rows, 1, heads, key_dim])

    def gather(self, rows):
        """The cache of these rows of the batch."""
        return type(self)(*(tf.gather(t, rows, axis=1) for t in self))


def _bias(mask, dtype):
    """What is added to scores: 0 where the mask is True, half the lowest number elsewhere."""
    return tf.where(mask, tf.zeros([], dtype), tf.constant(dtype.min / 2, dtype))


def _blocks(tensor):
    """[B, S, ...] padded to its room and cut into blocks: [B, blocks, BLOCK, ...]."""
    shape = tf.shape(tensor)
    missing = BlockCache.room(shape[1]) - shape[1]
    padded = tf.pad(tensor, [[0, 0], [0, missing]] + [[0, 0]] * (len(tensor.shape) - 2))
    return tf.reshape(padded, tf.concat([shape[:1], [-1, BLOCK], shape[2:]], axis=0))
