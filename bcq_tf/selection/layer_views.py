"""Which weights of which layer types are matrices, and how each is seen as [R, C].

To teach the library a layer, add a line to `_known_types`, or to `bcq_tf._keras.hub`; and to
`bcq_tf.layers.packed_classes`, to be computed from its codes.
"""

from __future__ import annotations

import dataclasses

import keras
from keras import layers

from bcq_tf._keras import ConvLSTMCell, is_swapped, sublayers, walk_layers
from bcq_tf._keras.hub import EXPERT_BIASES, hub_matrices
from bcq_tf.codes import MatrixView

PACKED = "its layer is packed"  # why a weight of a packed embedding has no view
FLOAT_DTYPES = ("float16", "bfloat16", "float32", "float64")

NORMALIZATION_TYPES = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.Normalization,
    layers.RMSNormalization,
    layers.SpectralNormalization,  # its own state only; the layer that it wraps is seen apart
)

# The axes of a weight that become rows; the others become columns, in their order.
OUT_LAST = (-1,)  # [..., out]: Dense, Conv, recurrent kernels (out = gates x units)
OUT_BEFORE_LAST = (-2,)  # [*k, out, in]: transposed convolutions
DEPTHWISE = (-2, -1)  # [*k, in, multiplier]
ENTRIES_FIRST = (0,)  # [vocabulary, dim]: embedding tables
FROM_EQUATION = None  # what EinsumDense's equation says


@dataclasses.dataclass(frozen=True)
class NoView:
    """Why a weight is not seen as a matrix, for the report: for example "bias"."""

    reason: str
    axes_help: bool = False  # whether a rule that gives the reduction axes can include it


def view_weights(model: keras.layers.Layer) -> list[MatrixView | NoView]:
    """Sees each of `model.weights`, of a built model or layer, as a matrix, or says why not.

    A weight is found by identity on its layer's attribute. Where several layers hold it, the first
    one of a known type, in the order of `model.weights`, decides.
    """
    known, others = {}, {}
    for layer in walk_layers(model):
        for variable, view in _known_weights(layer):
            known.setdefault(id(variable), view)
        for variable in own_weights(layer):
            others.setdefault(id(variable), _no_view(layer, variable))
    return [known.get(id(v)) or others[id(v)] for v in model.weights]


def is_packed(layer) -> bool:
    """Whether the layer is one of `bcq_tf.layers`, which import TensorFlow and so are not here."""
    return hasattr(layer, "packed_weights")


def check_products_float(model: keras.layers.Layer) -> None:
    """Raises ValueError where a layer other than an embedding is packed.

    Packed tables are looked up in while the rest of a model is float and trains.
    """
    packed = [layer for layer in walk_layers(model) if is_packed(layer)]
    products = [layer for layer in packed if not isinstance(layer, layers.Embedding)]
    if not products:
        return
    made = [layer for layer in products if not is_swapped(layer)]
    remedy = ": make it float with bcq_tf.unpack_model first"
    if made:
        remedy = ", and one that was made as a packed layer cannot become float"
    raise ValueError(
        f"`model` must not have packed layers other than embeddings{remedy}. "
        f"Received: model '{model.name}', layer '{(made or products)[0].name}'"
    )


def _known_types():
    """Yields (layer types, {attribute: its row axes}); a subclass counts as its known type."""
    yield (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), {"kernel": OUT_LAST}
    yield layers.EinsumDense, {"kernel": FROM_EQUATION}
    yield layers.Embedding, {"embeddings": ENTRIES_FIRST}
    yield layers.ReversibleEmbedding, {"reverse_embeddings": OUT_LAST}
    transposed = layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
    yield transposed, {"kernel": OUT_BEFORE_LAST}
    yield (layers.DepthwiseConv1D, layers.DepthwiseConv2D), {"kernel": DEPTHWISE}
    separable = {"depthwise_kernel": DEPTHWISE, "pointwise_kernel": OUT_LAST}
    yield (layers.SeparableConv1D, layers.SeparableConv2D), separable
    recurrent = {"kernel": OUT_LAST, "recurrent_kernel": OUT_LAST}
    yield (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell, ConvLSTMCell), recurrent


def _known_weights(layer):
    """Yields (variable, MatrixView or NoView) for the weights that the layer's type tells of."""
    matrices = {}
    for layer_types, attributes in _known_types():
        if isinstance(layer, layer_types):
            matrices |= attributes
    for cls in type(layer).__mro__:
        matrices |= hub_matrices(cls)
    if not matrices or not layer.built or is_packed(layer):
        return
    for attribute in ("bias", *EXPERT_BIASES):
        yield getattr(layer, attribute, None), NoView("bias")
    if _changed_by_keras(layer):
        return
    for attribute, rows in matrices.items():
        variable = getattr(layer, attribute, None)
        if variable is not None:
            yield variable, _view(layer, variable, rows)


def _view(layer, variable, rows: tuple[int, ...] | None) -> MatrixView | NoView:
    reason = _why_not_a_matrix(variable)
    if reason:
        return NoView(reason)
    if rows is FROM_EQUATION:  # of "input,weight->output": letters that the output lacks are summed
        operands, output = layer.equation.split("->")
        letters = operands.split(",")[1]
        rows = tuple(axis for axis, letter in enumerate(letters) if letter in output)
    shape = tuple(variable.shape)
    rows = tuple(axis % len(shape) for axis in rows)
    columns = tuple(axis for axis in range(len(shape)) if axis not in rows)
    if not columns:
        return NoView(f"equation {layer.equation!r} sums over no axis of the weight", True)
    return MatrixView(shape, rows, columns)


def _no_view(layer, variable) -> NoView:
    """Why a weight that no known layer type tells of is not seen as a matrix."""
    if isinstance(layer, NORMALIZATION_TYPES):
        return NoView("normalization")
    if is_packed(layer):
        return NoView(PACKED)
    reason = _changed_by_keras(layer) or _why_not_a_matrix(variable)
    if reason:
        return NoView(reason)
    return NoView(f"layer type {type(layer).__name__} is not known", axes_help=True)


def _changed_by_keras(layer) -> str | None:
    if getattr(layer, "lora_enabled", False):
        return "its layer has LoRA enabled"
    if layer.quantization_mode is not None:
        return f"its layer is quantized by Keras ({layer.quantization_mode})"
    return None


def _why_not_a_matrix(variable) -> str | None:
    if variable.dtype not in FLOAT_DTYPES:
        return f"dtype {variable.dtype}"
    if len(variable.shape) < 2:
        return f"rank {len(variable.shape)}"
    if 0 in variable.shape:
        return f"no elements, shape {list(variable.shape)}"
    return None


def own_weights(layer) -> list:
    """The weights of a layer that no layer inside it holds."""
    inside = {id(variable) for child in sublayers(layer) for variable in child.weights}
    return [variable for variable in layer.weights if id(variable) not in inside]
