"""A float model to a packed one, in place, and back."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from bcq_tf._keras import forget_training, initialize, is_swapped, own_variables, walk_layers
from bcq_tf.codes import MatrixView
from bcq_tf.config import check_choice
from bcq_tf.files import file
from bcq_tf.files.stored_weights import StoredWeight
from bcq_tf.layers.kinds.registry import check_codes, weight_of
from bcq_tf.layers.packed_layer import check_backend
from bcq_tf.layers.packed_model import PackedModel, pack_class, packed_layers, unpack_class
from bcq_tf.layers.packed_recurrent import pack_loops, unpack_loops
from bcq_tf.layers.swap import (
    pack_layer,
    packable_variables,
    unpack_layer,
    why_not_packed,
)
from bcq_tf.models.contents import ModelContents
from bcq_tf.models.match import match_model
from bcq_tf.models.pack_report import PackReport
from bcq_tf.ops.binary import PRECISIONS
from bcq_tf.selection.layer_views import check_products_float, view_weights
from bcq_tf.selection.selection import unique_labels


def pack_model(model, codes, *, precision: str = "exact", trainable_scales: bool = False):
    """Makes a model compute from codes, in place; the float matrices are gone afterwards.

    Dense, EinsumDense (and so every attention of Keras and KerasHub), Embedding,
    ReversibleEmbedding, convolutional and recurrent layers and their subclasses become packed
    layers: the same objects of another class, see `bcq_tf.layers`. Weights of other layers that
    have codes get the codes' float value; the report tells which, why, and what memory that costs.
    The optimizer is dropped: compile again. A `tf.function` of your own that was traced before
    keeps the float weights.

    Args:
        model: a built Keras model on the TensorFlow backend.
        codes: a `.bcq.npy` file of this model, as a path or as `bcq_tf.read` returned it, whose
            float weights are taken too; or a mapping from paths of weights to `BinaryCodes`, such
            as `bcq_tf.quantize_model(model).codes`. Tables of Embedding layers may also have
            `UniformCodes` or `CompositionalCodes`.
        precision: "exact" has the error of float32 products, "fast" rounds their inputs to 8 bits;
            see `bcq_tf.ops.bcq_matmul`.
        trainable_scales: whether the scales, or codebooks, train as float32 with `fit`; the signs,
            or indexes, never do.

    Returns:
        A `PackReport`; `print(report)` shows every weight.

    Raises:
        TypeError, ValueError: an argument breaks its rule; the codes are not this model's; the
            model has packed layers other than embeddings. The model is unchanged then.
        FileFormatError, OSError: the file is damaged or cannot be read.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.quantize_model(model, bits=2)
        >>> packed = bcq_tf.pack_model(model, report.codes)
        >>> type(model.layers[0]).__name__, packed.packed[0].nbytes, packed.packed[0].float_nbytes
        ('BCQDense', 1152, 8192)
    """
    if isinstance(codes, Mapping) and not hasattr(codes, "metadata"):
        _check(model, precision)
        return _pack(model, _pairs_by_path(model, codes), precision, trainable_scales)
    contents = ModelContents.of_file(codes if isinstance(codes, Mapping) else file.read(codes))
    report = pack_contents(model, contents, precision, trainable_scales)
    contents.restore_state(model)
    return report


def pack_contents(
    model, contents: ModelContents, precision: str = "exact", trainable_scales: bool = False
) -> PackReport:
    """`pack_model` with the weights of a file, without its state; the model's may be deferred."""
    _check(model, precision)
    pairs = list(zip(match_model(model, contents.weights), model.weights, strict=True))
    return _pack(model, pairs, precision, trainable_scales)


def _check(model, precision: str) -> None:
    check_choice("precision", precision, PRECISIONS)
    check_float_model(model)


def _pack(model, pairs: list, precision: str, trainable_scales: bool) -> PackReport:
    # pairs: (StoredWeight, variable) of weights of the model.
    coded = {
        id(variable): (stored.tensor, weight_of(stored.tensor, stored.view, trainable_scales))
        for stored, variable in pairs
        if stored.view is not None
    }
    reasons = why_float(model, {key: weight for key, (_, weight) in coded.items()})
    for key in reasons:
        del coded[key]
    _pack_layers(model, coded, precision)
    for stored, variable in pairs:
        if id(variable) not in coded:
            initialize(variable, stored.value())
    for inside in _models(model):
        forget_training(inside)
        pack_class(inside)
    return PackReport.of(model, reasons)


def _pack_layers(model, coded: dict, precision: str) -> None:
    # coded: {id of a variable: (codes, how they are kept)}.
    shared = {}
    for layer in list(walk_layers(model)):
        own = {name: coded[id(v)] for v, name in _held(layer) if id(v) in coded}
        if own:
            weights = {name: weight for name, (_, weight) in own.items()}
            values = {name: weight.values(codes) for name, (codes, weight) in own.items()}
            pack_layer(layer, weights, precision, values, shared)
    pack_loops(model)


def unpack_model(model) -> None:
    """Makes packed layers float again, in place; their weights have the values of the codes.

    They train as their layers say now. Layers that were made as packed ones, such as a
    `bcq_tf.layers.QuantEmbedding` or those of a clone, stay as they are. The optimizer is dropped.

    Args:
        model: a Keras model with layers that `pack_model` or
            `bcq_tf.quantize_embed` packed, by itself or within another model.

    Raises:
        TypeError: it is no Keras model.
        ValueError: it has no such layers.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.pack_model(model, bcq_tf.quantize_model(model, bits=2).codes)
        >>> bcq_tf.unpack_model(model)  # floats with the codes' values: it can be trained on
        >>> type(model.layers[0]).__name__
        'Dense'
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: model={model!r}")
    layers, models = packed_layers(model), _models(model)
    in_place = [layer for layer in layers if is_swapped(layer)]
    if not in_place and not any(isinstance(inside, PackedModel) for inside in models):
        made = f", whose layer '{layers[0].name}' was made as a packed one" if layers else ""
        raise ValueError(
            "`model` must be packed, by bcq_tf.pack_model or quantize_embed. "
            f"Received: model '{model.name}'{made}"
        )
    shared = {}
    for layer in in_place:
        unpack_layer(layer, shared)
    unpack_loops(model)
    for inside in models:
        forget_training(inside)
        unpack_class(inside)


def _models(model) -> list[keras.Model]:
    return [layer for layer in walk_layers(model) if isinstance(layer, keras.Model)]


def check_float_model(model) -> None:
    """Raises TypeError, ValueError unless it is a built Keras model, on TensorFlow, in which no
    layers but embeddings are packed."""
    check_backend()
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: model={model!r}")
    if not model.built or not model.weights:
        raise ValueError(
            "`model` must be built and have weights: give it an input shape or call it once. "
            f"Received: model '{model.name}'"
        )
    check_products_float(model)


def _pairs_by_path(model, codes: Mapping) -> list[tuple[StoredWeight, object]]:
    labels = unique_labels([variable.path for variable in model.weights])
    unknown = [path for path in codes if path not in labels]
    if unknown or not codes:
        raise ValueError(
            "`codes` must be named by paths of the model's weights. "
            f"Received: {unknown[:3] or 'no codes'}. Paths: {', '.join(labels[:3])}, ..."
        )
    found = []
    for position, (label, view) in enumerate(zip(labels, view_weights(model), strict=True)):
        if label not in codes:
            continue
        check_codes(codes[label], f" (weight '{label}')")
        if not isinstance(view, MatrixView) or view.matrix_shape != codes[label].shape:
            wanted = list(view.matrix_shape) if isinstance(view, MatrixView) else view.reason
            raise ValueError(
                f"`codes` must have the shape of the weight, {wanted}. "
                f"Received: {list(codes[label].shape)} (weight '{label}')"
            )
        entry = StoredWeight(position, label, None, codes[label], view)
        found.append((entry, model.weights[position]))
    return found


def why_float(model, weights: dict) -> dict[int, str]:
    """{id of the variable: why it cannot become codes, a phrase}, for those that cannot.

    weights: {id of a variable of the model: how its codes would be kept, a `CodedWeight`}.
    """
    holders = _holders(model)
    return {
        id(variable): reason
        for variable in model.weights
        if id(variable) in weights
        and (reason := _why_not(holders[id(variable)], weights[id(variable)], variable))
    }


def _holders(model) -> dict[int, list]:
    # By id of a variable: the layers that hold it themselves, and the name as in `_held`.
    holders = {}
    for layer in walk_layers(model):
        for variable, name in _held(layer):
            holders.setdefault(id(variable), []).append((layer, name))
    return holders


def _held(layer) -> list[tuple]:
    # A layer's own variables, and the name of each in the packed form; None where it has none.
    names = {id(variable): name for name, variable in packable_variables(layer).items()}
    return [(variable, names.get(id(variable))) for variable in own_variables(layer)]


def _why_not(holders: list, weight, variable) -> str | None:
    for layer, name in holders:
        reason = why_not_packed(layer)
        shared = len(holders) > 1
        if name is None and (shared or reason is None):
            reason = f"layer '{layer.name}' holds it{' too,' if shared else ''} in a way of its own"
        if reason:
            return reason
    float_bytes = weight.float_nbytes(variable.dtype)
    if weight.nbytes >= float_bytes:
        return f"packed it takes {weight.nbytes:,} bytes, float {float_bytes:,}"
    return None
