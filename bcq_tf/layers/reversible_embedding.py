"""`BCQReversibleEmbedding`: look-up and logits from the codes of one table."""

from __future__ import annotations

import keras

from bcq_tf.layers.kinds.binary import BCQEmbedding


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQReversibleEmbedding(keras.layers.ReversibleEmbedding, BCQEmbedding):
    """`keras.layers.ReversibleEmbedding` from codes.

    With tied weights the look-up and the logits read the same codes; otherwise either table, or
    both, can be packed.
    """

    PACKED = ("embeddings", "reverse_embeddings")

    def call(self, inputs, reverse=False):
        """Integers [...] -> [..., dimensions], or reversed [..., dimensions] -> logits."""
        if not reverse:
            return super().call(inputs)
        if self.reverse_dtype is not None:
            inputs = keras.ops.cast(inputs, self.reverse_dtype)
        logits = self._logits(inputs)
        if self.logit_soft_cap is not None:
            logits = keras.ops.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap
        return logits

    def _logits(self, inputs):
        name = "embeddings" if self.tie_weights else "reverse_embeddings"
        if name in self.packed_weights:
            return self.product(inputs, name)
        return keras.ops.matmul(inputs, keras.ops.cast(self.reverse_embeddings, inputs.dtype))
