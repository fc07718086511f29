"""`BCQLSTMCell`, `BCQGRUCell`, `BCQSimpleRNNCell`: the steps of recurrent layers, from codes."""

from __future__ import annotations

import contextlib

import keras
from keras import layers

from bcq_tf._keras import changes_methods, float_class
from bcq_tf.layers.decoded_layer import DecodedLayer
from bcq_tf.layers.packed_layer import CodedValue


class PackedCell(DecodedLayer):
    """A cell whose kernels are kept as codes [gates * units, inputs or units].

    Products with the codes, where Keras multiplies by the float kernels; but Keras' own computation
    for dropout, which has a mask for each gate, and in subclasses that change more than the config.
    """

    PACKED = ("kernel", "recurrent_kernel")
    kernel = CodedValue()
    recurrent_kernel = CodedValue()
    _is_projected = False

    def call(self, inputs, states, training=False):
        """inputs [batch, inputs] and the states -> the output and the states that follow."""
        if not self.has_products(training):
            return super().call(inputs, states, training=training)
        x = inputs if self._is_projected else self.times(inputs, "kernel")
        return self._step(x, states)

    def has_products(self, training: bool) -> bool:
        """Whether there is neither dropout at work nor a subclass that computes in its own way."""
        dropped = training and (self.dropout or self.recurrent_dropout)
        return not dropped and not changes_methods(float_class(self), self._KERAS)

    def times(self, x, name: str):
        """x [..., C] times a kernel, by its codes unless it is not packed, or decoded: [..., R]."""
        if name in self.packed_weights and name not in self.kept_floats:
            return self.product(x, name)
        return keras.ops.matmul(x, keras.ops.cast(getattr(self, name), x.dtype))

    @contextlib.contextmanager
    def projected(self):
        """In this context the cell's inputs are those that `times` the kernel gave."""
        vars(self)["_is_projected"] = True
        try:
            yield
        finally:
            del vars(self)["_is_projected"]


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQSimpleRNNCell(PackedCell, layers.SimpleRNNCell):
    """`keras.layers.SimpleRNNCell` from codes."""

    _KERAS = layers.SimpleRNNCell

    def _step(self, x, states):
        nested = isinstance(states, (list, tuple))
        h = self.times(states[0] if nested else states, "recurrent_kernel")
        h = self.activation(_plus(x, self.bias) + h)
        return h, [h] if nested else h


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQLSTMCell(PackedCell, layers.LSTMCell):
    """`keras.layers.LSTMCell` from codes."""

    _KERAS = layers.LSTMCell

    def _step(self, x, states):
        h, c = states
        gates = _plus(x + self.times(h, "recurrent_kernel"), self.bias)
        i, f, new, o = keras.ops.split(gates, 4, axis=-1)
        i, f, o = (self.recurrent_activation(gate) for gate in (i, f, o))
        c = f * c + i * self.activation(new)
        h = o * self.activation(c)
        return h, [h, c]


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQGRUCell(PackedCell, layers.GRUCell):
    """`keras.layers.GRUCell` from codes."""

    _KERAS = layers.GRUCell

    def _step(self, x, states):
        nested = isinstance(states, (list, tuple))
        h = states[0] if nested else states
        bias = self.bias
        input_bias, recurrent_bias = (
            keras.ops.unstack(bias) if bias is not None and self.reset_after else (bias, None)
        )
        x_z, x_r, x_new = keras.ops.split(_plus(x, input_bias), 3, axis=-1)
        inner = _plus(self.times(h, "recurrent_kernel"), recurrent_bias)
        h_z, h_r, h_new = keras.ops.split(inner, 3, axis=-1)
        z, r = self.recurrent_activation(x_z + h_z), self.recurrent_activation(x_r + h_r)
        if self.reset_after:
            h_new = r * h_new
        else:
            h_new = keras.ops.split(self.times(r * h, "recurrent_kernel"), 3, axis=-1)[2]
        h = z * h + (1 - z) * self.activation(x_new + h_new)
        return h, [h] if nested else h


def _plus(x, bias):
    return x if bias is None else keras.ops.add(x, bias)
