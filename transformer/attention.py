"""Multi-head attention that can also run one position at a time from cached keys and values.

The private names of `keras.layers.MultiHeadAttention` that the project needs are all here.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="transformer")
class CachedAttention(keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` whose keys and values can be computed once and kept.

    `layer(query, value, ...)` equals `layer.attend(query, *layer.project(value), ...)`.
    """

    def project(self, inputs):
        """Keys and values of `inputs` [B, S, D]: two tensors [B, S, heads, key_dim]."""
        return self._key_dense(inputs), self._value_dense(inputs)

    def attend(self, query, keys, values, mask=None):
        """Attends from `query` [B, T, D] to projected keys and values.

        Args:
            mask: bool, broadcastable to [B, T, S]; True where attending is allowed.

        Returns:
            float [B, T, D]
        """
        heads, _ = self._compute_attention(self._query_dense(query), keys, values, mask)
        return self._output_dense(heads)

    def _compute_attention(
        self, query, key, value, attention_mask=None, training=None, *args, **kwargs
    ):
        """Scaled dot products; Keras' own, with the mask added once to small scores."""
        scores = tf.einsum("btnh,bsnh->bnts", query * self._inverse_sqrt_key_dim, key)
        if attention_mask is not None:
            bias = tf.cast(tf.logical_not(attention_mask), scores.dtype) * scores.dtype.min
            scores += bias[:, tf.newaxis]
        return tf.einsum("bnts,bsnh->btnh", tf.nn.softmax(scores), value), None
