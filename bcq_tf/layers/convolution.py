"""`BCQConv1D`, `BCQConv2D`, `BCQConv3D`: convolutions of kernel size 1 from codes."""

from __future__ import annotations

import keras

from bcq_tf.layers.packed_layer import PackedLayer


class _PointwiseConvolution(PackedLayer):
    """A convolution of kernel size 1 and one group: a product over the channels."""

    PACKED = ("kernel",)

    @property
    def kernel(self):
        """The float kernel [1, ..., channels, filters], made at each access."""
        return self.float_value("kernel")

    def why_no_product(self) -> str | None:
        if any(size != 1 for size in self.kernel_size):
            return f"a convolution of kernel size {tuple(self.kernel_size)}"
        return None if self.groups == 1 else f"a convolution of {self.groups} groups"

    def build(self, input_shape):
        """Raises ValueError where it is another convolution."""
        reason = self.why_no_product()
        if reason:
            raise ValueError(f"`kernel_size` must be 1 in a packed layer: {reason}")
        super().build(input_shape)

    def call(self, inputs):
        """inputs [batch, *space, channels] -> [batch, *space / strides, filters]; or with
        data_format "channels_first" the channels before space."""
        first = self.data_format == "channels_first"
        x = keras.ops.moveaxis(inputs, 1, -1) if first else inputs
        if any(stride > 1 for stride in self.strides):
            x = x[(slice(None), *(slice(None, None, stride) for stride in self.strides))]
        x = self.product(x, "kernel")
        if self.use_bias:
            x = keras.ops.add(x, self.bias)
        x = keras.ops.moveaxis(x, -1, 1) if first else x
        return x if self.activation is None else self.activation(x)


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv1D(_PointwiseConvolution, keras.layers.Conv1D):
    """`keras.layers.Conv1D` of kernel size 1 whose kernel is kept as codes [filters, channels]."""


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv2D(_PointwiseConvolution, keras.layers.Conv2D):
    """`keras.layers.Conv2D` of kernel size 1 whose kernel is kept as codes [filters, channels]."""


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQConv3D(_PointwiseConvolution, keras.layers.Conv3D):
    """`keras.layers.Conv3D` of kernel size 1 whose kernel is kept as codes [filters, channels]."""
