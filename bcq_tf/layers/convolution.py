"""`BCQConv1D`, `BCQConv2D`, `BCQConv3D`: convolutions from codes."""

from __future__ import annotations

import math

import keras

from bcq_tf._keras import changes_methods, float_class
from bcq_tf.layers.decoded_layer import DecodedLayer
from bcq_tf.layers.packed_layer import CodedValue
from bcq_tf.ops.many_rows import always_gain

MOST_POSITIONS = 16
"""Up to so many positions of an input a pointwise convolution is computed from the codes; on
processors with AMX, where the kernel is not small, for any number."""


class _PackedConvolution(DecodedLayer):
    """A convolution whose kernel is kept as codes [filters, the rest].

    The kernel is decoded for each call; one of size 1 that meets few positions is multiplied by its
    codes instead.
    """

    PACKED = ("kernel",)
    kernel = CodedValue()

    def call(self, inputs):
        """As the Keras layer."""
        if not self._is_product(inputs.shape):
            return super().call(inputs)
        first = self.data_format == "channels_first"
        x = keras.ops.moveaxis(inputs, 1, -1) if first else inputs
        if any(stride > 1 for stride in self.strides):
            x = x[(slice(None), *(slice(None, None, stride) for stride in self.strides))]
        x = self.product(x, "kernel")
        if self.use_bias:
            x = keras.ops.add(x, self.bias)
        x = keras.ops.moveaxis(x, -1, 1) if first else x
        return x if self.activation is None else self.activation(x)

    def _is_product(self, shape) -> bool:
        if self.groups != 1 or any(size != 1 for size in self.kernel_size):
            return False
        if changes_methods(float_class(self), self._KERAS):  # `convolution_op` has the kernel
            return False
        if always_gain(self.codes_of("kernel").layout):
            return True
        space = shape[2:] if self.data_format == "channels_first" else shape[1:-1]
        if None in space:
            return False
        sizes = (-(-size // stride) for size, stride in zip(space, self.strides, strict=True))
        return math.prod(sizes) <= MOST_POSITIONS


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv1D(_PackedConvolution, keras.layers.Conv1D):
    """`keras.layers.Conv1D` whose kernel is kept as codes [filters, size * channels]."""

    _KERAS = keras.layers.Conv1D


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv2D(_PackedConvolution, keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose kernel is kept as codes [filters, sizes * channels]."""

    _KERAS = keras.layers.Conv2D


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv3D(_PackedConvolution, keras.layers.Conv3D):
    """`keras.layers.Conv3D` whose kernel is kept as codes [filters, sizes * channels]."""

    _KERAS = keras.layers.Conv3D
