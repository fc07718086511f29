"""Which weights of which layer types are matrices, and how each is seen as [R, C].

To teach the library a layer, add a line to `_known_types`, or to `bcq_tf._keras.hub`.
"""

from __future__ import annotations

import dataclasses
import sys

import keras
from keras import layers

from bcq_tf._keras import is_swapped, sublayers, walk_layers
from bcq_tf._keras.hub import EXPERT_BIASES, MASKED_LM_KERNEL, expert_kernels
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


@dataclasses.dataclass(frozen=True)
class NoView:
    """Why a weight is not seen as a matrix.

    Args:
        reason: for the report, for example "bias".
        axes_help: whether a rule that gives the reduction axes can include the weight.
    """

    reason: str
    axes_help: bool = False


def view_weights(model: keras.layers.Layer) -> list[MatrixView | NoView]:
    """Sees each weight of a model as a matrix, or says why not.

    A weight is found by identity on its layer's attribute. Where several layers hold it, the first
    one of a known type, in the order of `model.weights`, decides.

    Args:
        model: a built model or layer.

    Returns:
        One entry for each of `model.weights`, in that order.
    """
    known, others = {}, {}
    for layer in walk_layers(model):
        for variable, view in _known_weights(layer):
            known.setdefault(id(variable), view)
        for variable in _own_weights(layer):
            others.setdefault(id(variable), NoView(*_why_unknown(layer, variable)))
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


def outputs_last(layer, shape) -> MatrixView:
    """[..., out] to R = out, C = the rest: Dense, Conv, recurrent kernels (out = gates x units)."""
    last = len(shape) - 1
    return MatrixView(shape, rows=(last,), columns=tuple(range(last)))


def outputs_before_last(layer, shape) -> MatrixView:
    """[*k, out, in] to R = out, C = k x in: transposed convolutions."""
    last = len(shape) - 1
    return MatrixView(shape, rows=(last - 1,), columns=(*range(last - 1), last))


def depthwise(layer, shape) -> MatrixView:
    """[*k, in, multiplier] to R = in x multiplier, C = k."""
    last = len(shape) - 1
    return MatrixView(shape, rows=(last - 1, last), columns=tuple(range(last - 1)))


def experts(layer, shape) -> MatrixView:
    """[experts, in, out] to R = experts x out, C = in: the kernels of a mixture of experts."""
    return MatrixView(shape, rows=(0, 2), columns=(1,))


def entries_first(layer, shape) -> MatrixView:
    """[vocabulary, dim] to R = vocabulary, C = dim: embedding tables."""
    return MatrixView(shape, rows=(0,), columns=tuple(range(1, len(shape))))


def from_equation(layer, shape) -> MatrixView | NoView:
    """The weight of `input,weight->output`: letters that the output lacks are summed over, so C."""
    operands, output = layer.equation.split("->")
    letters = operands.split(",")[1]
    columns = tuple(axis for axis, letter in enumerate(letters) if letter not in output)
    if not columns:
        return NoView(f"equation {layer.equation!r} sums over no axis of the weight", True)
    rows = tuple(axis for axis in range(len(shape)) if axis not in columns)
    return MatrixView(shape, rows, columns)


def _known_types():
    """Yields (layer types, {attribute: how it is seen}); a subclass counts as its known type."""
    yield (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), {"kernel": outputs_last}
    yield layers.EinsumDense, {"kernel": from_equation}
    yield layers.Embedding, {"embeddings": entries_first}
    yield layers.ReversibleEmbedding, {"reverse_embeddings": outputs_last}
    transposed = layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose
    yield transposed, {"kernel": outputs_before_last}
    yield (layers.DepthwiseConv1D, layers.DepthwiseConv2D), {"kernel": depthwise}
    separable = {"depthwise_kernel": depthwise, "pointwise_kernel": outputs_last}
    yield (layers.SeparableConv1D, layers.SeparableConv2D), separable
    recurrent = {"kernel": outputs_last, "recurrent_kernel": outputs_last}
    yield (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell), recurrent
    # Found through the layer, since the class of its cell has no public name.
    in_cell = {f"cell.{attribute}": how for attribute, how in recurrent.items()}
    yield (layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D), in_cell
    # A model can hold a KerasHub layer only where KerasHub has been imported.
    if hub := sys.modules.get("keras_hub"):
        yield hub.layers.PositionEmbedding, {"position_embeddings": entries_first}
        yield hub.layers.MaskedLMHead, {MASKED_LM_KERNEL: outputs_last}


def _known_weights(layer):
    """Yields (variable, MatrixView or NoView) for the weights that the layer's type tells of."""
    matrices = {}
    for layer_types, attributes in _known_types():
        if isinstance(layer, layer_types):
            matrices |= attributes
    matrices |= dict.fromkeys(expert_kernels(layer), experts)
    if not matrices or not layer.built or is_packed(layer):
        return
    for attribute in ("bias", "cell.bias", *EXPERT_BIASES):
        yield _attribute(layer, attribute), NoView("bias")
    if _changed_by_keras(layer):
        return
    for attribute, how in matrices.items():
        variable = _attribute(layer, attribute)
        if variable is not None:
            reason = _why_not_a_matrix(variable)
            yield variable, NoView(reason) if reason else how(layer, tuple(variable.shape))


def _attribute(layer, path: str):
    for name in path.split("."):
        layer = getattr(layer, name, None)
    return layer


def _why_unknown(layer, variable) -> tuple[str, bool]:
    """(reason, axes_help) for a weight that no known layer type tells of."""
    if isinstance(layer, NORMALIZATION_TYPES):
        return "normalization", False
    if is_packed(layer):
        return PACKED, False
    reason = _changed_by_keras(layer) or _why_not_a_matrix(variable)
    if reason:
        return reason, False
    return f"layer type {type(layer).__name__} is not known", True


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


def _own_weights(layer) -> list:
    """The weights of a layer that no layer inside it holds."""
    inside = {id(variable) for child in sublayers(layer) for variable in child.weights}
    return [variable for variable in layer.weights if id(variable) not in inside]
