"""`DecodedLayer`: layers that compute as their Keras class does, from weights that are float only
while they run."""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from bcq_tf.layers.packed_layer import CodedValue, PackedLayer


class DecodedLayer(PackedLayer):
    """Stands before a Keras class whose own `call` reads the weights that are packed.

    Each is decoded when it is read: in memory there are codes, and the float value of one layer at
    a time. Where a weight meets many inputs in one call, as a convolution's kernel does, decoding
    is little beside the products.
    """


@functools.cache
def decoded_class(names: tuple[str, ...]) -> type[DecodedLayer]:
    """The `DecodedLayer` of weights of these names."""
    attributes = {name: CodedValue() for name in names}
    return type("DecodedLayer", (DecodedLayer,), {"PACKED": names, **attributes})


class PackedPositions(DecodedLayer):
    """Stands before KerasHub's `PositionEmbedding`: the rows are looked up in the codes."""

    PACKED = ("position_embeddings",)
    position_embeddings = CodedValue()

    def call(self, inputs, start_index=0, positions=None):
        """inputs [..., length, dim] -> the rows from `start_index` on, or those at `positions`, in
        the shape of the inputs."""
        shape = keras.ops.shape(inputs)
        if positions is None:
            positions = tf.range(shape[-2]) + keras.ops.cast(start_index, "int32")
        parts = self.parts_of("position_embeddings")
        rows = self.packed_weights["position_embeddings"].gather(
            parts, keras.ops.convert_to_tensor(positions), self.compute_dtype
        )
        return keras.ops.broadcast_to(rows, shape)
