"""From a file to a model: `load_weights` and `load_model`."""

from __future__ import annotations

from bcq_tf import file
from bcq_tf._keras import deferred_model, initialize, initialize_rest
from bcq_tf.file import QuantizedFile
from bcq_tf.model_table import Entry, check_model, read_file_table, read_table


def load_weights(model, path) -> None:
    """Gives a model the weights of a `.bcq.npy` file; those with codes take the codes' values.

    Weights are matched by their position in `model.weights` and their shape, since layer names
    differ from process to process.

    Args:
        model: a built Keras model of the architecture that the file was made from.
        path: a file that `BCQCallback` or `quantize_model` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds no model's weights.
        ValueError: the model's weights are not those of the file. The model is unchanged then.
    """
    _put_entries(model, read_file_table(file.read(path)))


def put_tensors(model, tensors, metadata: dict) -> None:
    """Assigns `tensors` to the model's variables; see `bcq_tf.model_table.read_table`.

    All is checked before the first assignment. Raises as `load_weights` does.
    """
    _put_entries(model, read_table(tensors, metadata))


def _put_entries(model, entries: list[Entry]) -> None:
    check_model(model, entries)
    for entry, variable in zip(entries, model.weights, strict=True):
        initialize(variable, entry.value())


def load_model(path, *, model=None, packed: bool = True, **packing):
    """The model of a `.bcq.npy` file.

    Where the file holds the model's Keras config it is enough, and its float matrices are never
    made. Custom classes must be imported before, as for `keras.saving.load_model`.

    Args:
        path: a file that `BCQCallback` or `quantize_model` wrote.
        model: a built Keras model of the architecture that the file was made from, which takes its
            weights and is returned; needed where the file has no config.
        packed: whether the model computes from the codes (see `bcq_tf.pack_model`) or has float
            weights of their value. Embeddings that were packed when the file was written are so
            in either case.
        **packing: `precision` and `trainable_scales` of `bcq_tf.pack_model`.

    Returns:
        The Keras model, not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds no model's weights.
        ValueError: the file's config does not make a model, so that `model` must be given; or the
            model's weights are not those of the file.
    """
    from bcq_tf.model_packing import pack_model  # packed layers import TensorFlow

    if packing and not packed:
        raise ValueError(f"`packed` must be True with {sorted(packing)}. Received: packed={packed}")
    opened = file.read(path)
    made = []
    if model is None:
        model, made = _made_from_config(opened)
    if packed:
        pack_model(model, opened, **packing)
    else:
        _put_entries(model, read_file_table(opened))
    initialize_rest(model, made)
    return model


def _made_from_config(opened: QuantizedFile):
    # The model, and its variables, which have no values.
    config = opened.metadata.get("model")
    if config is None:
        raise ValueError(
            "`model` must be given, since the file has no Keras config (none makes its model): "
            f"bcq_tf.load_model(path, model=...). Received: '{opened.path}'"
        )
    try:
        model, made = deferred_model(config)
    except Exception as error:  # whatever a model's own class raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            "`model` must be given, or the modules of its classes imported, since the Keras config "
            f"in '{opened.path}' does not make a model: {reason[:300]}"
        ) from None
    if not model.built or not model.weights:
        raise ValueError(
            "`model` must be given, since its Keras config does not build it: "
            f"bcq_tf.load_model(path, model=...). Received: '{opened.path}'"
        )
    return model, made
