"""What the layers that the library knows multiply their weights by.

To teach it a layer, add a line to `_PRODUCTS`. Each has a function (layer, variable's view, x) ->
rows: x, the input of a call as a NumPy array, becomes an array [..., C] of float32, whose last axis
has the order of the columns of the view. Another (layer, view, y) -> [..., M] puts what belongs to
the outputs of the call beside the rows that they are products of, of the same leading axes.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from bcq_tf._keras import ConvLSTMCell, walk_layers


@dataclasses.dataclass(frozen=True)
class Product:
    """A weight of a layer and the rows that it is multiplied by.

    Args:
        attribute: the layer's attribute that holds the weight.
        argument: which argument of a call is the input.
        rows: (layer, view, x) -> [..., C].
        outputs: (layer, view, y) -> [..., M], with the axes of the rows first, and then others;
            None where the product is no output of the call, but for its bias and activation.
        reverse: whether calls count that were asked for the reverse of a look-up, or the others.
    """

    attribute: str
    argument: Callable
    rows: Callable
    outputs: Callable | None = None
    reverse: bool = False


def products(layer) -> list[Product]:
    """The products of a layer of a known type, else none."""
    return [product for kinds, product in _PRODUCTS if isinstance(layer, kinds)]


def looked_up(layer) -> list:
    """The tables of a layer whose rows are looked up."""
    return [layer.embeddings] if isinstance(layer, layers.Embedding) and layer.built else []


def tables(model) -> set[int]:
    """The ids of the variables of a model whose rows are looked up."""
    return {id(variable) for layer in walk_layers(model) for variable in looked_up(layer)}


def _first(arguments):
    return arguments[0]


def _state(arguments):
    states = arguments[1]
    return states[0] if isinstance(states, (list, tuple)) else states


def _last_axis(layer, view, x):
    return x


def _einsum(layer, view, x):
    """The axes of x that the equation sums over, as one, last."""
    inputs, weight, _ = _terms(layer, x.ndim)
    summed = [inputs.index(weight[axis]) for axis in view.columns]
    others = [axis for axis in range(x.ndim) if axis not in summed]
    x = x.transpose(others + summed)
    return x.reshape(*x.shape[: len(others)], -1)


def _einsum_outputs(layer, view, y):
    """The axes that y has of the input, in the order that they have there, first."""
    inputs, _, result = _terms(layer, y.ndim, of_result=True)
    kept = [result.index(label) for label in inputs if label in result]
    return y.transpose(kept + [axis for axis in range(y.ndim) if axis not in kept])


def _terms(layer, rank: int, of_result: bool = False) -> list[list[str]]:
    """The labels of the axes of input, weight and result, of which the input or the result has so
    many; those that dots stand for are numbers."""
    operands, result = layer.equation.replace(" ", "").split("->")
    terms = [*operands.split(","), result]
    dots = rank - len(terms[2 if of_result else 0].replace("...", ""))
    numbers = [str(i) for i in range(dots)]
    return [
        [
            label
            for part in re.findall(r"\.\.\.|.", term)
            for label in (numbers if part == "..." else [part])
        ]
        for term in terms
    ]


def _channels(layer, view, y):
    """Channels last."""
    return np.moveaxis(y, 1, -1) if layer.data_format == "channels_first" else y


def _filters(layer, view, y):
    """[..., groups, filters of each]."""
    y = _channels(layer, view, y)
    return y.reshape(*y.shape[:-1], layer.groups, -1)


def _multiples(layer, view, y):
    """[..., channels, outputs of each]."""
    y = _channels(layer, view, y)
    return y.reshape(*y.shape[:-1], -1, layer.depth_multiplier)


def _patches(layer, view, x):
    """The channels under each element of the kernel: [..., groups, kernel elements x channels]."""
    windows = _windows(layer, x)  # [batch, *positions, channels, *kernel]
    rank = layer.rank
    *others, channels = windows.shape[: rank + 2]
    groups = getattr(layer, "groups", 1)
    windows = windows.reshape(*others, groups, channels // groups, *layer.kernel_size)
    return np.moveaxis(windows, rank + 2, -1).reshape(*others, groups, -1)


def _state_patches(cell, view, x):
    """Of the state of a convolutional recurrent cell, which keeps its size."""
    ones = (1,) * cell.rank
    as_convolution = {"strides": ones, "dilation_rate": ones, "padding": "same"}
    names = "rank", "kernel_size", "data_format"
    shared = {name: getattr(cell, name) for name in names}
    return _patches(types.SimpleNamespace(**shared, **as_convolution), view, x)


def _transposed(layer, view, x):
    """The input under each element of the kernel, 0 where there is none: [..., kernel elements x
    channels]."""
    sizes = layer.compute_output_shape(x.shape)
    sizes = sizes[2:] if layer.data_format == "channels_first" else sizes[1:-1]
    if layer.data_format == "channels_first":
        x = np.moveaxis(x, 1, -1)
    for axis, size in enumerate(sizes):
        at = 1 + 2 * axis  # each axis before has become two
        index = _origins(layer, axis, x.shape[at], size)
        none = [(0, int(other == at)) for other in range(x.ndim)]
        x = np.take(np.pad(x, none), index, axis=at)  # [..., positions, kernel elements, ...]
    rank = layer.rank
    places, elements = range(1, 2 * rank, 2), range(2, 2 * rank + 1, 2)
    x = x.transpose(0, *places, *elements, 2 * rank + 1)
    return x.reshape(*x.shape[: rank + 1], -1)


def _origins(layer, axis: int, length: int, size: int) -> np.ndarray:
    # Which input each kernel element takes to each of `size` outputs; `length` for none.
    stride, dilation = layer.strides[axis], layer.dilation_rate[axis]
    taps = layer.kernel_size[axis]
    reach = (taps - 1) * dilation + 1
    missing = max(0, (length - 1) * stride + reach - size) if layer.padding == "same" else 0
    place = np.arange(size)[:, None] + missing // 2 - dilation * np.arange(taps)
    inside = (place >= 0) & (place < length * stride) & (place % stride == 0)
    return np.where(inside, place // stride, length)


def _separable(layer, view, x):
    """The outputs of the depthwise kernel: [..., channels x multiplier]."""
    windows = _depthwise(layer, view, x)  # [..., channels, kernel elements]
    kernel = keras.ops.convert_to_numpy(layer.depthwise_kernel)
    kernel = kernel.reshape(-1, *kernel.shape[-2:]).astype(np.float32)
    made = np.einsum("...ck,kcm->...cm", windows, kernel, optimize=True)
    return made.reshape(*made.shape[:-2], -1)


def _depthwise(layer, view, x):
    windows = _windows(layer, x)
    return windows.reshape(*windows.shape[: layer.rank + 2], -1)


def _windows(layer, x):
    if layer.data_format == "channels_first":
        x = np.moveaxis(x, 1, -1)
    reach = [(k - 1) * d + 1 for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    sizes = x.shape[1:-1]
    pads = [_pad(layer.padding, *each) for each in zip(sizes, reach, layer.strides, strict=True)]
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    axes = tuple(range(1, x.ndim - 1))
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axes)
    steps = [slice(None, None, step) for step in layer.strides]
    inside = [slice(None, None, step) for step in layer.dilation_rate]
    return windows[(slice(None), *steps, slice(None), *inside)]


def _pad(padding: str, size: int, reach: int, stride: int) -> tuple[int, int]:
    if padding == "causal":
        return reach - 1, 0
    if padding == "valid":
        return 0, 0
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    return total // 2, total - total // 2


EINSUM = Product("kernel", _first, _einsum, _einsum_outputs)
"""Of layers, and of what stands for one, that have an `equation`."""
_TRANSPOSED = layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
_DEPTHWISE = layers.DepthwiseConv1D, layers.DepthwiseConv2D
_SEPARABLE = layers.SeparableConv1D, layers.SeparableConv2D
_CELLS = layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell
_PRODUCTS = (
    (layers.Dense, Product("kernel", _first, _last_axis, _last_axis)),
    (layers.EinsumDense, EINSUM),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D), Product("kernel", _first, _patches, _filters)),
    (_TRANSPOSED, Product("kernel", _first, _transposed, _channels)),
    (_DEPTHWISE, Product("kernel", _first, _depthwise, _multiples)),
    (_SEPARABLE, Product("depthwise_kernel", _first, _depthwise)),
    (_SEPARABLE, Product("pointwise_kernel", _first, _separable, _channels)),
    (_CELLS, Product("kernel", _first, _last_axis)),
    (_CELLS, Product("recurrent_kernel", _state, _last_axis)),
    (ConvLSTMCell, Product("kernel", _first, _patches)),
    (ConvLSTMCell, Product("recurrent_kernel", _state, _state_patches)),
    (
        layers.ReversibleEmbedding,
        Product("embeddings", _first, _last_axis, _last_axis, reverse=True),
    ),
    (
        layers.ReversibleEmbedding,
        Product("reverse_embeddings", _first, _last_axis, _last_axis, reverse=True),
    ),
)
