"""`BCQEinsumDense`: an einsum with one weight, from codes."""

from __future__ import annotations

import functools
import math

import keras
import tensorflow as tf

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.layers.decoded_layer import DecodedLayer
from bcq_tf.layers.kinds.registry import weight_of
from bcq_tf.layers.packed_layer import CodedValue


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQEinsumDense(DecodedLayer, keras.layers.EinsumDense):
    """`keras.layers.EinsumDense` whose kernel is kept as codes.

    The axes that are summed over are the columns of the codes. Equations that keep an axis of the
    kernel which the input has too, or sum over an axis of the input alone, are no product with a
    matrix: for them the kernel is decoded for each call.
    """

    PACKED = ("kernel",)
    kernel = CodedValue()

    @classmethod
    def from_codes(
        cls,
        codes: BinaryCodes,
        view: MatrixView,
        equation: str,
        input_shape,
        bias=None,
        *,
        trainable_scales: bool = False,
        **kwargs,
    ) -> BCQEinsumDense:
        """A built layer.

        Args:
            codes: of the kernel as the matrix that `view` tells of.
            view: a `MatrixView` of the kernel; its columns are the axes that are summed over.
            equation, and with a bias `bias_axes`: as for `keras.layers.EinsumDense`.
            input_shape: of the input, None where it is not fixed.
            bias: float array, or None.
            trainable_scales: whether the scales train.
            **kwargs: of `keras.layers.EinsumDense`, `output_shape` among them, and `PackedLayer`.
        """
        weight = weight_of(codes, view, trainable_scales)
        layer = cls(equation, packed_weights={"kernel": weight}, **kwargs)
        layer.build_of(input_shape, "kernel", codes, bias)
        return layer

    def call(self, inputs, training=None):
        """As `keras.layers.EinsumDense`."""
        if not _is_product(self.equation):
            return super().call(inputs, training)
        view = self.packed_weights["kernel"].view
        before, after = _orders(self.equation, len(inputs.shape), view)
        y = self.product(_merge_last(_permute(inputs, before), len(view.columns)), "kernel")
        y = _permute(_split_last(y, [view.shape[axis] for axis in view.rows]), after)
        if self.bias is not None:
            y = keras.ops.add(y, self.bias)
        return y if self.activation is None else self.activation(y)


@functools.lru_cache(maxsize=1024)
def _is_product(equation: str) -> bool:
    # Whether each axis but the summed ones is of one operand, and none of them is repeated.
    inputs, weight, output = _operands(equation)
    axes = (inputs, weight, output)
    return (
        not set(inputs) & set(weight) & set(output)
        and set(inputs) <= set(weight + output)
        and all(len(set(letters)) == len(letters) for letters in axes)
    )


def _operands(equation: str) -> tuple[str, str, str]:
    inputs, output = equation.replace(" ", "").split("->")
    inputs, weight = inputs.split(",")
    return inputs.replace("...", ""), weight, output.replace("...", "")


@functools.lru_cache(maxsize=1024)
def _orders(equation: str, rank: int, view: MatrixView) -> tuple[tuple[int, ...], ...]:
    # The axes of the input: those that stay, then those summed over; and those of the product, in
    # the order of the output.
    weight = _operands(equation)[1]
    inputs, output = equation.replace(" ", "").split("->")
    inputs = _name_axes(inputs.split(",")[0], rank)
    summed = [weight[axis] for axis in view.columns]
    stay = [name for name in inputs if name not in summed]
    product = stay + [weight[axis] for axis in view.rows]
    output = _name_axes(output, len(product))
    before = tuple(inputs.index(name) for name in [*stay, *summed])
    return before, tuple(product.index(name) for name in output)


def _name_axes(letters: str, rank: int) -> list[str]:
    # A name for each axis: its letter, or for those that "..." stands for "...0", "...1", ...
    first, dots, last = letters.partition("...")
    unnamed = rank - len(first) - len(last) if dots else 0
    return [*first, *(f"...{i}" for i in range(unnamed)), *last]


def _permute(x, axes: tuple[int, ...]):
    return x if axes == tuple(range(len(axes))) else tf.transpose(x, axes)


def _merge_last(x, count: int):
    if count == 1:
        return x
    return keras.ops.reshape(x, (*keras.ops.shape(x)[:-count], math.prod(x.shape[-count:])))


def _split_last(y, sizes: list[int]):
    if len(sizes) == 1:
        return y
    return keras.ops.reshape(y, (*keras.ops.shape(y)[:-1], *sizes))
