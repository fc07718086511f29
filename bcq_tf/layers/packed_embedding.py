"""`PackedEmbedding`: look-up in a table that is kept as codes."""

from __future__ import annotations

import keras

from bcq_tf.layers.kinds.coded_weight import CodedWeight, table_view
from bcq_tf.layers.kinds.registry import weight_of
from bcq_tf.layers.packed_layer import CodedValue, PackedLayer


class PackedEmbedding(PackedLayer, keras.layers.Embedding):
    """`keras.layers.Embedding` whose table [vocabulary, dimensions] is kept as codes.

    An id that is no row is an error on the CPU, see `bcq_tf.ops.bcq_gather`.
    """

    PACKED = ("embeddings",)
    embeddings = CodedValue()
    WEIGHT: type[CodedWeight]
    """How the layer of a kind of codes keeps its table."""

    @classmethod
    def from_codes(cls, codes, *, trainable_scales: bool = False, **kwargs):
        """A built layer.

        Args:
            codes: of the table, [vocabulary, dimensions]; of the type that the class says.
            trainable_scales: whether the scales of binary codes train, or the codebooks of
                compositional ones; no others can.
            **kwargs: of `keras.layers.Embedding` and `PackedLayer`.

        Raises:
            TypeError: the codes are of another type.
            ValueError: such codes cannot train.
        """
        kind = cls.WEIGHT.CODES
        if not isinstance(codes, kind):
            raise TypeError(f"`codes` must be {kind.__name__}. Received: {type(codes).__name__}")
        weight = weight_of(codes, table_view(codes.shape), trainable_scales)
        if trainable_scales and not weight.trainable:
            raise ValueError(
                f"`trainable_scales` must be False with {kind.__name__}. Received: True"
            )
        layer = cls(*codes.shape, packed_weights={"embeddings": weight}, **kwargs)
        layer.build_of((None,), "embeddings", codes)
        return layer

    @property
    def codes(self):
        """The codes that the layer holds, made at each access."""
        return self.packed_weights["embeddings"].codes(self.parts_of("embeddings"))

    def call(self, inputs, training=None):
        """inputs integers of any shape -> [..., dimensions] in the compute dtype.

        training: of no effect; a graph in which the layer was a `FastEmbedding` passes it.
        """
        if not keras.backend.is_int_dtype(inputs.dtype):
            inputs = keras.ops.cast(inputs, "int32")
        weight = self.packed_weights["embeddings"]
        return weight.gather(self.parts_of("embeddings"), inputs, self.compute_dtype)
