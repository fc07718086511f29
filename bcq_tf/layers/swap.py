"""Turning a float layer into a packed one in place, and back."""

from __future__ import annotations

import functools

from keras import layers

from bcq_tf._keras import remove_variable, restore_variable
from bcq_tf.layers import convolution, einsum_dense
from bcq_tf.layers.compositional_embedding import CompositionalEmbedding
from bcq_tf.layers.compositional_weight import CompositionalWeight
from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.embedding import BCQEmbedding
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.float_embedding import FloatEmbedding
from bcq_tf.layers.float_weight import FloatWeight
from bcq_tf.layers.packed_layer import COMPUTE_DTYPES, PackedLayer, begin_packing
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.layers.uniform_embedding import UniformEmbedding
from bcq_tf.layers.uniform_weight import UniformWeight

_PACKED_CLASSES = {
    layers.Dense: BCQDense,
    layers.EinsumDense: BCQEinsumDense,
    layers.Embedding: BCQEmbedding,
    FastEmbedding: BCQEmbedding,
    layers.ReversibleEmbedding: BCQReversibleEmbedding,
    layers.Conv1D: BCQConv1D,
    layers.Conv2D: BCQConv2D,
    layers.Conv3D: BCQConv3D,
}
_EMBEDDINGS = (layers.Embedding, FastEmbedding)
# Of these, by how the table is kept.
_EMBEDDING_CLASSES = {
    PackedWeight: BCQEmbedding,
    UniformWeight: UniformEmbedding,
    CompositionalWeight: CompositionalEmbedding,
    FloatWeight: FloatEmbedding,
}


def why_not_packed(layer, weight: PackedWeight | TableWeight) -> str | None:
    """Why a float layer has no form with a weight kept so, as a phrase for a report, or None."""
    base = _known_base(type(layer))
    if base is None:
        return f"layers of type {type(layer).__name__} compute from float weights"
    if base not in _EMBEDDINGS and isinstance(weight, TableWeight):
        return f"layers of type {type(layer).__name__} compute products, which take binary codes"
    for method in ("call", "build"):
        if getattr(type(layer), method) is not getattr(base, method):
            return f"its class {type(layer).__name__} has its own {method}"
    if layer.compute_dtype not in COMPUTE_DTYPES:
        return f"it computes in {layer.compute_dtype}"
    if base is layers.EinsumDense:
        return einsum_dense.why_no_product(layer.equation)
    if base in (layers.Conv1D, layers.Conv2D, layers.Conv3D):
        return convolution.why_no_product(layer)
    return None


def packable_variables(layer) -> dict[str, object]:
    """{name: float variable} of the weights that the packed form of a layer can hold as codes."""
    base = _known_base(type(layer))
    attributes = _PACKED_CLASSES[base].PACKED if base else ()
    held = {name: getattr(layer, attribute, None) for name, attribute in attributes}
    return {name: variable for name, variable in held.items() if variable is not None}


def pack_layer(
    layer,
    weights: dict[str, PackedWeight | TableWeight],
    precision: str = "exact",
    values: dict | None = None,
) -> None:
    """Makes a built float layer, for which `why_not_packed` is None, a packed one in place.

    Args:
        layer: the layer; it keeps its identity, its name and its other variables.
        weights: the weights to pack by name.
        precision: of products.
        values: {name: {part of the weight: tensor, or a variable that another layer has}}; what is
            not there gets its value later.
    """
    float_class = type(layer)
    attributes = dict(_PACKED_CLASSES[_known_base(float_class)].PACKED)
    lost = {name: remove_variable(layer, attributes[name]) for name in weights}
    layer.__class__ = _packed_class(float_class, *{type(weight) for weight in weights.values()})
    object.__setattr__(layer, "_before_packing", (float_class, lost))
    begin_packing(layer, weights, precision, values or {})


def is_packed_in_place(layer) -> bool:
    """Whether `pack_layer` packed the layer."""
    return "_before_packing" in layer.__dict__ and isinstance(layer, PackedLayer)


def unpack_layer(layer: PackedLayer) -> None:
    """Makes a layer that `pack_layer` packed the float layer that it was, of the codes' value."""
    float_class, lost = layer._before_packing
    values = {name: layer.float_value(name, "float32") for name in lost}
    for name, weight in layer.packed_weights.items():
        for part in weight.parts():
            remove_variable(layer, f"{name}_{part}")
            del layer.__dict__[f"{name}_{part}"]
    for name in ("packed_weights", "precision", "_before_packing"):
        del layer.__dict__[name]
    layer.supports_jit = True
    layer.__class__ = float_class
    for name, variable in lost.items():
        restore_variable(layer, variable, values[name])


def _known_base(float_class: type) -> type | None:
    return next((base for base in float_class.__mro__ if base in _PACKED_CLASSES), None)


@functools.cache
def _packed_class(float_class: type, weight_class: type) -> type:
    # A subclass that changes neither call nor build keeps its other methods.
    base = _known_base(float_class)
    packed = _PACKED_CLASSES[base]
    if base in _EMBEDDINGS:
        packed = _EMBEDDING_CLASSES[weight_class]
    if float_class is base:
        return packed
    return type(f"Packed{float_class.__name__}", (packed, float_class), {})
