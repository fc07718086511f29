"""`quantize_embed`: every embedding table of a model as codes, in place."""

from __future__ import annotations

from keras import layers

from bcq_tf._keras import as_array, walk_layers
from bcq_tf.layers.fast_multi_embedding import FastMultiEmbedding
from bcq_tf.layers.swap import packable_variables
from bcq_tf.layers.table_codes import check_method, table_codes, table_weight
from bcq_tf.models.pack_report import PackReport
from bcq_tf.models.packing import check_float_model, pack_model, why_float
from bcq_tf.selection.layer_views import NoView, view_weights
from bcq_tf.selection.selection import unique_labels


def quantize_embed(model, nbit: int, method: str = "uniform") -> PackReport:
    """Replaces the table of every embedding layer of a model by codes, in place.

    The layers stay the same objects and become `bcq_tf.layers.UniformEmbedding` or, with method
    "binary", `BCQEmbedding` and `BCQReversibleEmbedding`; with 16 bits `FloatEmbedding`. Their
    float tables are gone and their codes do not train; the other layers train as before. The
    optimizer is dropped: compile again. `BCQCallback`, `quantize_model` and `pack_model` then speak
    of the other layers and leave the tables as they are. The model is saved as `.keras` and loads
    again where `bcq_tf.layers` is imported; `bcq_tf.unpack_model` makes it float. TensorFlow keeps
    the pages that float tables took in this process; one that loads the saved model never takes
    them.

    Rows of zeros stay zero, so that of id 0 under mask_zero if it is zero. A table that cannot be
    replaced stays as it is, and the report says why: for example that of a ReversibleEmbedding,
    which computes products, with uniform codes, the tables of a `FastMultiEmbedding`, and any where
    the codes would be no smaller.

    Args:
        model: a built Keras model on the TensorFlow backend, with an Embedding layer.
        nbit: bits of a value: 1 to 8; 16 for float16 tables; 32 replaces none.
        method: "uniform", see `bcq_tf.embeddings.quantize_uniform`; or "binary", see
            `bcq_tf.quantize`.

    Returns:
        A `PackReport`: tables with their bytes before and after; tables that stay float, why.

    Raises:
        ValueError, TypeError: an argument breaks its rule, a table is not finite, the model has
            packed products or no Embedding layer with a float table. The model is unchanged then.

    Example:
        >>> model = keras.Sequential([keras.Input((5,)), keras.layers.Embedding(1000, 64)])
        >>> report = bcq_tf.quantize_embed(model, nbit=2)
        >>> report.packed[0].nbytes, report.packed[0].float_nbytes
        (16008, 256000)
    """
    nbit = check_method(nbit, method)
    check_float_model(model)
    tables, reasons = _tables(model)
    if not tables and not reasons:
        raise ValueError(
            "`model` must have an Embedding layer with a float table. "
            f"Received: model '{model.name}'"
        )
    weights = {
        id(variable): table_weight(*variable.shape, nbit, method, _has_zero_rows(variable))
        for variable in tables.values()
    }
    obstacles = why_float(model, weights)
    codes = {
        label: _codes(label, variable, nbit, method)
        for label, variable in tables.items()
        if id(variable) not in obstacles
    }
    if codes:
        pack_model(model, codes)
    return PackReport.of(model, reasons | obstacles)


def _tables(model) -> tuple[dict, dict[int, str]]:
    # The tables of embedding layers by label, and by id of the variable why others are none.
    inside = list(walk_layers(model))
    embeddings = (layer for layer in inside if isinstance(layer, layers.Embedding))
    ids = {id(packable_variables(layer).get("embeddings")) for layer in embeddings}
    labels = unique_labels([variable.path for variable in model.weights])
    tables, reasons = {}, {}
    for label, variable, view in zip(labels, model.weights, view_weights(model), strict=True):
        if id(variable) in ids and isinstance(view, NoView):
            reasons[id(variable)] = view.reason
        elif id(variable) in ids:
            tables[label] = variable
    for layer in inside:
        if isinstance(layer, FastMultiEmbedding):
            reasons |= {id(v): "a FastMultiEmbedding has many tables in it" for v in layer.weights}
    return tables, reasons


def _has_zero_rows(variable) -> bool:
    return not as_array(variable).any(axis=1).all()


def _codes(label: str, variable, nbit: int, method: str):
    try:
        return table_codes(as_array(variable), nbit, method)
    except ValueError as error:
        raise ValueError(f"{error} (weight '{label}')") from None
