"""Multi-head attention that can also run one position at a time from cached keys and values."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="transformer")
class CachedAttention(keras.layers.Layer):
    """Scaled dot-product attention (Vaswani et al. 2017) whose keys and values can be kept.

    `layer(query, value)` for one position of `query` equals
    `layer.attend(query, Cache.of(*layer.project(value)), visible)`, see `transformer.caches`.

    The projections are Dense layers, all heads side by side, and not the EinsumDense ones of
    `keras.layers.MultiHeadAttention`: TensorFlow multiplies a batch of sequences by their kernels
    sequence by sequence, and a training step takes half as long again.
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim = num_heads, key_dim

    def build(self, query_shape, value_shape=None):
        width, features = self.num_heads * self.key_dim, query_shape[-1]
        self.query = self._dense(width, query_shape, "query")
        self.key = self._dense(width, value_shape or query_shape, "key")
        self.value = self._dense(width, value_shape or query_shape, "value")
        self.output_layer = self._dense(features, (*query_shape[:-1], width), "attention_output")

    def call(self, query, value, attention_mask=None):
        """query float [B, T, D], value [B, S, D] -> float [B, T, D].

        attention_mask: bool, broadcast to [B, T, S]; True where a query may attend.
        """
        keys, values = self.project(value)
        scores = tf.einsum("btnh,bsnh->bnts", self._heads(self.query(query)), keys)
        if attention_mask is not None:
            bias = tf.cast(tf.logical_not(attention_mask), scores.dtype) * scores.dtype.min
            scores += bias[:, tf.newaxis]
        return self._join(tf.einsum("bnts,bsnh->btnh", tf.nn.softmax(scores), values))

    def project(self, inputs):
        """Keys, scaled, and values of `inputs` [B, S, D]: two tensors [B, S, heads, key_dim]."""
        return (
            self._heads(self.key(inputs)) * self.key_dim**-0.5,
            self._heads(self.value(inputs)),
        )

    def attend(self, query, cache, visible):
        """Attends from `query` [B, 1, D] to the visible positions of a cache: [B, 1, D]."""
        return self._join(cache.attend(self._heads(self.query(query)), visible))

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim}

    def _dense(self, units, input_shape, name):
        dense = keras.layers.Dense(units, dtype=self.dtype_policy, name=name)
        dense.build(input_shape)
        return dense

    def _heads(self, x):
        """[B, T, heads * key_dim] -> [B, T, heads, key_dim]"""
        return _reshape(x, self.num_heads, self.key_dim)

    def _join(self, heads):
        """What the heads attended to, [B, T, heads, key_dim], as the layer's output [B, T, D]."""
        return self.output_layer(_reshape(heads, self.num_heads * self.key_dim))


def _reshape(x, *last):
    """The last axes of x [B, T, ...] as those of sizes `last`."""
    sizes = [-1 if size is None else size for size in x.shape[:2]]
    if sizes.count(-1) < 2:  # as in each step of decoding, where an op more is felt
        return tf.reshape(x, [*sizes, *last])
    return tf.reshape(x, tf.concat([tf.shape(x)[:2], last], axis=0))
