"""What can be exported: a packed model, its codes, inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import keras
import tensorflow as tf

from bcq_tf._keras import input_signature, own_variables, walk_layers
from bcq_tf.layers import PackedLayer
from bcq_tf.layers.packed_model import PackedModel
from bcq_tf.ops import TiledCodes


def check_packed(model) -> None:
    """Raises TypeError, ValueError: it is no Keras model, not built, or has no packed layer."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: {type(model).__name__}")
    if not model.built:
        raise ValueError(f"`model` must be built. Received: {model.name!r}, not called on data yet")
    if any(isinstance(layer, PackedLayer) for layer in walk_layers(model)):
        return
    if isinstance(model, PackedModel):  # as `pack_model` left it
        raise ValueError(
            "`model` must have a layer that computes from codes; `model.export` writes float ones. "
            f"Received: {model.name!r}, of whose layers none has a packed form that is smaller "
            f"({', '.join(_layer_types(model))})"
        )
    raise ValueError(
        f"`model` must be packed, see `bcq_tf.pack_model`. Received: {model.name!r}, "
        "which has no packed layer"
    )


def _layer_types(model) -> list[str]:
    # Of the layers that hold a matrix, each type once.
    layers = [layer for layer in walk_layers(model) if not isinstance(layer, keras.Model)]
    held = [layer for layer in layers if any(len(v.shape) > 1 for v in own_variables(layer))]
    return list(dict.fromkeys(type(layer).__name__ for layer in held))


def check_compute_dtype(model, allowed: tuple[str, ...]) -> None:
    """Raises ValueError: a layer computes in a half precision that is not `allowed`."""
    for layer in walk_layers(model):
        if layer.compute_dtype in {"float16", "bfloat16"} - {*allowed}:
            raise ValueError(
                f"`model` must compute in {' or '.join(allowed)} for this format; make it with "
                "that dtype policy and pack it from the same file. "
                f"Received: {layer.compute_dtype} (layer {layer.path!r})"
            )


def named_codes(model) -> Iterator[tuple[str, TiledCodes]]:
    """(name, codes) of every weight whose ops take tiled codes; their parts are Keras variables."""
    for layer in walk_layers(model):
        if isinstance(layer, PackedLayer):
            for name, weight in layer.packed_weights.items():
                if weight.PRODUCTS:
                    yield f"{layer.path}/{name}", layer.codes_of(name)


def input_specs(model, signature=None) -> list:
    """Named `tf.TensorSpec` of the inputs: one structure for each positional argument of the model.

    Args:
        model: a built model.
        signature: the same with `keras.InputSpec` or `tf.TensorSpec`, named or not; None for the
            inputs of a functional model, or those that another model was built on, any batch size.

    Raises:
        TypeError: the signature is no list of such structures.
        ValueError: it is None and the model's own inputs are not known.
    """
    specs = _own_signature(model) if signature is None else signature
    flat = keras.tree.flatten(specs)
    kinds = (keras.InputSpec, tf.TensorSpec)
    if not isinstance(specs, list | tuple) or not all(isinstance(spec, kinds) for spec in flat):
        raise TypeError(
            "`input_signature` must be a list of keras.InputSpec or tf.TensorSpec. "
            f"Received: {signature!r}"
        )
    named = [
        tf.TensorSpec(spec.shape, spec.dtype, name=identifier(spec.name or f"input_{i}"))
        for i, spec in enumerate(flat)
    ]
    return list(keras.tree.pack_sequence_as(specs, named))


def _own_signature(model) -> list:
    try:
        return input_signature(model)
    except ValueError as error:
        raise ValueError(
            f"`input_signature` must be given where Keras has not kept the inputs: {error} "
            f"Received: model {model.name!r}"
        ) from None


def new_archive(model) -> keras.export.ExportArchive:
    """An archive that keeps the model's lookup tables; variables it finds in the functions.

    It would save the variables of layers that it tracks a second time, and takes none that is not
    built, such as the look-up inside a TextVectorization, which tracks its table itself.
    """
    archive = keras.export.ExportArchive()
    for layer in walk_layers(model):
        if layer.built and not layer.variables:
            archive.track(layer)
    return archive


def named_outputs(outputs) -> dict:
    """{name: tensor} as a SavedModel names them: the keys of a dict, else "output_0", ..."""
    if isinstance(outputs, dict):
        return {identifier(str(key)): value for key, value in outputs.items()}
    return {f"output_{i}": value for i, value in enumerate(keras.tree.flatten(outputs))}


def float32(tensor):
    """Half precision becomes float32, which every client has; anything else stays."""
    return tf.cast(tensor, tf.float32) if tensor.dtype in (tf.float16, tf.bfloat16) else tensor


def identifier(name: str) -> str:
    """`name` with what a name in a graph cannot have replaced by "_"."""
    return re.sub(r"\W", "_", name)
