"""`BCQEmbedding`: an embedding table from codes."""

from __future__ import annotations

import keras

from bcq_tf.codes import BinaryCodes
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.matrix_view import MatrixView
from bcq_tf.ops import bcq_gather


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQEmbedding(PackedLayer, keras.layers.Embedding):
    """`keras.layers.Embedding` whose table is kept as codes [vocabulary, dimensions].

    An id that is no row is an error on the CPU, see `bcq_tf.ops.bcq_gather`.
    """

    PACKED = (("embeddings", "_embeddings"),)

    @classmethod
    def from_codes(
        cls, codes: BinaryCodes, *, trainable_scales: bool = False, **kwargs
    ) -> BCQEmbedding:
        """A built layer.

        Args:
            codes: of the table, [vocabulary, dimensions].
            trainable_scales: whether the scales train.
            **kwargs: of `keras.layers.Embedding` and `PackedLayer`.
        """
        weight = PackedWeight.of(codes, MatrixView(codes.shape, (0,), (1,)), trainable_scales)
        layer = cls(*codes.shape, packed_weights={"embeddings": weight}, **kwargs)
        layer.build((None,))
        layer.assign_codes("embeddings", codes)
        return layer

    @property
    def embeddings(self):
        """The float table [vocabulary, dimensions], made at each access."""
        return self.float_value("embeddings")

    def call(self, inputs):
        """inputs integers of any shape -> [..., dimensions] in the compute dtype."""
        if not keras.backend.is_int_dtype(inputs.dtype):
            inputs = keras.ops.cast(inputs, "int32")
        return bcq_gather(self.codes_of("embeddings"), inputs, self.compute_dtype)
