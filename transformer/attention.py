"""Multi-head attention that can also run one position at a time from cached keys and values.

The private names of `keras.layers.MultiHeadAttention` that the project needs are all here.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="transformer")
class CachedAttention(keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` whose keys and values can be computed once and kept.

    `layer(query, value)` for one position of `query` equals
    `layer.attend(query, Cache.of(*layer.project(value)), visible)`, see `transformer.caches`.
    """

    def project(self, inputs):
        """Keys, scaled, and values of `inputs` [B, S, D]: two tensors [B, S, heads, key_dim]."""
        return self._key_dense(inputs) * self._inverse_sqrt_key_dim, self._value_dense(inputs)

    def attend(self, query, cache, visible):
        """Attends from `query` [B, 1, D] to the visible positions of a cache: [B, 1, D]."""
        return self._output_dense(cache.attend(self._query_dense(query), visible))

    def _compute_attention(
        self, query, key, value, attention_mask=None, training=None, *args, **kwargs
    ):
        """Scaled dot products; Keras' own, with the mask added once to small scores."""
        scores = tf.einsum("btnh,bsnh->bnts", query * self._inverse_sqrt_key_dim, key)
        if attention_mask is not None:
            bias = tf.cast(tf.logical_not(attention_mask), scores.dtype) * scores.dtype.min
            scores += bias[:, tf.newaxis]
        return tf.einsum("bnts,bsnh->btnh", tf.nn.softmax(scores), value), None
