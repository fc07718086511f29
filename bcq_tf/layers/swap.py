"""Turning a float layer into a packed one in place, and back."""

from __future__ import annotations

from bcq_tf._keras import (
    held_variable,
    remove_variable,
    restore_variable,
    swap_back,
    swap_class,
    unlocked,
)
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.packed_classes import packed_class, packed_form
from bcq_tf.layers.packed_layer import COMPUTE_DTYPES, PackedLayer


def why_not_packed(layer) -> str | None:
    """Why a float layer has no packed form, as a phrase for a report, or None."""
    form = packed_form(type(layer))
    if form is None:
        return f"layers of type {type(layer).__name__} compute from float weights"
    base = form[0]
    for method in ("call", "build", "save_own_variables", "load_own_variables"):
        if getattr(type(layer), method) is not getattr(base, method):
            return f"its class {type(layer).__name__} has its own {method}"
    if layer.compute_dtype not in COMPUTE_DTYPES:
        return f"it computes in {layer.compute_dtype}"
    return None


def packable_variables(layer) -> dict[str, object]:
    """{name: float variable} of the weights that the packed form of a layer can hold as codes."""
    form = packed_form(type(layer))
    held = {name: held_variable(layer, name) for name in form[1].PACKED} if form else {}
    return {name: variable for name, variable in held.items() if variable is not None}


def holds(layer, weights: dict[str, CodedWeight]) -> bool:
    """Whether a layer, or None, has the float variables that `weights` are to take the place of."""
    held = packable_variables(layer)
    return all(
        name in held and tuple(held[name].shape) == weight.view.shape
        for name, weight in weights.items()
    )


def pack_layer(
    layer,
    weights: dict[str, CodedWeight],
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
    shared = {} if shared is None else shared
    held = {name: id(held_variable(layer, name)) for name in weights}
    values = (values or {}) | {name: shared[key] for name, key in held.items() if key in shared}
    lost = {name: remove_variable(layer, name) for name in weights}
    swap_class(layer, packed_class(type(layer), weights), (lost, layer.supports_jit))
    layer.set_packing(weights, precision)
    with unlocked(layer):
        for name in weights:
            layer.add_parts(name, values.get(name))
    shared |= {key: layer.parts_of(name) for name, key in held.items()}


def unpack_layer(layer: PackedLayer, shared: dict | None = None) -> None:
    """Makes a layer that `pack_layer` packed the float layer that it was, of the codes' value.

    shared: {id of the first variable of codes: the float variable that took its place}, of the
        layers that were unpacked before and may hold the same; what this one holds is added.
    """
    shared = {} if shared is None else shared
    held = {name: id(next(iter(layer.parts_of(name).values()))) for name in layer.packed_weights}
    values = {
        name: shared[key] if key in shared else layer.float_value(name, "float32")
        for name, key in held.items()
    }
    for name, weight in layer.packed_weights.items():
        for part in weight.parts():
            remove_variable(layer, f"{name}_{part}")
            del layer.__dict__[f"{name}_{part}"]
    for name in ("packed_weights", "precision"):
        del layer.__dict__[name]
    lost, layer.supports_jit = swap_back(layer)
    for name in reversed(lost):
        shared[held[name]] = restore_variable(layer, lost[name], values[name])
