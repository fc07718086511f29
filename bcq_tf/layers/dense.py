"""`BCQDense`: a dense layer from codes."""

from __future__ import annotations

import keras

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.layers.kinds.registry import weight_of
from bcq_tf.layers.packed_layer import CodedValue, PackedLayer


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQDense(PackedLayer, keras.layers.Dense):
    """`keras.layers.Dense` whose kernel is kept as codes of the matrix [units, inputs]."""

    PACKED = ("kernel",)
    kernel = CodedValue()

    @classmethod
    def from_codes(
        cls, codes: BinaryCodes, bias=None, *, trainable_scales: bool = False, **kwargs
    ) -> BCQDense:
        """A built layer.

        Args:
            codes: of the kernel, transposed: [units, inputs].
            bias: float array [units], or None for a layer without.
            trainable_scales: whether the scales train.
            **kwargs: of `keras.layers.Dense` and `PackedLayer`.
        """
        units, inputs = codes.shape
        weight = weight_of(codes, MatrixView((inputs, units), (1,), (0,)), trainable_scales)
        layer = cls(units, use_bias=bias is not None, packed_weights={"kernel": weight}, **kwargs)
        layer.build_of((None, inputs), "kernel", codes, bias)
        return layer

    def call(self, inputs, training=None):
        """inputs [..., inputs] -> [..., units]."""
        x = self.product(inputs, "kernel")
        if self.bias is not None:
            x = keras.ops.add(x, self.bias)
        return x if self.activation is None else self.activation(x)
