"""Turning a float layer into a packed one in place, and back."""

from __future__ import annotations

from keras import layers

from bcq_tf._keras import remove_variable, restore_variable
from bcq_tf.layers import convolution, einsum_dense
from bcq_tf.layers.packed_classes import EMBEDDINGS, PACKED_CLASSES, known_base, packed_class
from bcq_tf.layers.packed_layer import COMPUTE_DTYPES, PackedLayer, begin_packing
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.table_weight import TableWeight


def why_not_packed(layer, weight: PackedWeight | TableWeight) -> str | None:
    """Why a float layer has no form with a weight kept so, as a phrase for a report, or None."""
    base = known_base(type(layer))
    if base is None:
        return f"layers of type {type(layer).__name__} compute from float weights"
    if base not in EMBEDDINGS and isinstance(weight, TableWeight):
        return f"layers of type {type(layer).__name__} compute products, which take binary codes"
    for method in ("call", "build", "save_own_variables", "load_own_variables"):
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
    base = known_base(type(layer))
    attributes = PACKED_CLASSES[base].PACKED if base else ()
    held = {name: getattr(layer, attribute, None) for name, attribute in attributes}
    return {name: variable for name, variable in held.items() if variable is not None}


def holds(layer, weights: dict[str, PackedWeight | TableWeight]) -> bool:
    """Whether a layer, or None, has the float variables that `weights` are to take the place of."""
    held = packable_variables(layer)
    return all(
        name in held and tuple(held[name].shape) == weight.view.shape
        for name, weight in weights.items()
    )


def pack_layer(
    layer,
    weights: dict[str, PackedWeight | TableWeight],
    precision: str = "exact",
    values: dict | None = None,
    shared: dict | None = None,
) -> None:
    """Makes a built float layer, for which `why_not_packed` is None, a packed one in place.

    Args:
        layer: the layer; it keeps its identity, its name and its other variables.
        weights: the weights to pack by name.
        precision: of products.
        values: {name: {part of the weight: tensor}}; what is not there gets its value later.
        shared: {id of a float variable: the variables that took its place, by part}, of the layers
            that were packed before and may hold the same; what this one holds is added.
    """
    float_class, shared = type(layer), {} if shared is None else shared
    attributes = dict(PACKED_CLASSES[known_base(float_class)].PACKED)
    held = {name: id(getattr(layer, attributes[name])) for name in weights}
    values = (values or {}) | {name: shared[key] for name, key in held.items() if key in shared}
    lost = {name: remove_variable(layer, attributes[name]) for name in weights}
    layer.__class__ = packed_class(float_class, *{type(weight) for weight in weights.values()})
    object.__setattr__(layer, "_float_class", float_class)
    object.__setattr__(layer, "_before_packing", (lost, layer.supports_jit))
    begin_packing(layer, weights, precision, values)
    shared |= {key: layer.parts_of(name) for name, key in held.items()}


def is_packed_in_place(layer) -> bool:
    """Whether `pack_layer` packed the layer: others were made as packed ones."""
    return hasattr(layer, "_before_packing")


def unpack_layer(layer: PackedLayer, shared: dict | None = None) -> None:
    """Makes a layer that `pack_layer` packed the float layer that it was, of the codes' value.

    shared: {id of the first variable of codes: the float variable that took its place}, of the
        layers that were unpacked before and may hold the same; what this one holds is added.
    """
    float_class, (lost, supports_jit) = layer._float_class, layer._before_packing
    shared = {} if shared is None else shared
    held = {name: id(next(iter(layer.parts_of(name).values()))) for name in lost}
    values = {
        name: shared[key] if key in shared else layer.float_value(name, "float32")
        for name, key in held.items()
    }
    for name, weight in layer.packed_weights.items():
        for part in weight.parts():
            remove_variable(layer, f"{name}_{part}")
            del layer.__dict__[f"{name}_{part}"]
    for name in ("packed_weights", "precision", "_before_packing", "_float_class"):
        del layer.__dict__[name]
    layer.supports_jit = supports_jit
    layer.__class__ = float_class
    for name in reversed(lost):
        shared[held[name]] = restore_variable(layer, lost[name], values[name])
