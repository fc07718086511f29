"""From a file to a model: `load_weights` and `load_model`."""

from __future__ import annotations

import keras

from bcq_tf._keras import deferred_model, initialize_rest
from bcq_tf.files import file
from bcq_tf.files.file import QuantizedFile
from bcq_tf.models.contents import ModelContents


def load_weights(model, path) -> None:
    """Gives a model the weights of a `.bcq.npy` file; those with codes take the codes' values.

    Weights are matched by where they stand in the model, see `bcq_tf.models.match`. What layers
    keep beside weights, such as vocabularies, comes from the file too.

    Args:
        model: a built Keras model of the architecture that the file was made from.
        path: a file that `BCQCallback` or `quantize_model` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds no model's weights.
        ValueError: the model's weights are not those of the file. The model is unchanged then.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.quantize_model(model, bits=2, filepath="model.bcq.npy")
        >>> other = keras.models.clone_model(model)
        >>> bcq_tf.load_weights(other, "model.bcq.npy")
        >>> bool(np.array_equal(other.get_weights()[0], model.get_weights()[0]))
        True
    """
    contents = ModelContents.of_file(file.read(path))
    contents.put_weights(model)
    contents.restore_state(model)


def load_model(
    path,
    *,
    model=None,
    packed: bool = True,
    custom_objects: dict | None = None,
    safe_mode: bool = True,
    **packing,
):
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
        custom_objects: classes and functions by name, as for `keras.saving.load_model`.
        safe_mode: whether a config with code in it, that of a Lambda layer, is refused.
        **packing: `precision` and `trainable_scales` of `bcq_tf.pack_model`.

    Returns:
        The Keras model, not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds no model's weights.
        ValueError: the file's config does not make a model, so that `model` must be given; or the
            model's weights are not those of the file.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.quantize_model(model, bits=2, filepath="model.bcq.npy")
        >>> packed = bcq_tf.load_model("model.bcq.npy")  # in any process
        >>> x = np.ones((1, 64), "float32")
        >>> bool(np.allclose(packed(x), model(x), atol=1e-5))
        True
    """
    if packing and not packed:
        raise ValueError(f"`packed` must be True with {sorted(packing)}. Received: packed={packed}")
    opened = file.read(path)
    contents = ModelContents.of_file(opened)
    made = []  # variables that wait for their values
    if model is None:
        model, made = _make(opened, custom_objects, safe_mode)
    if packed:
        from bcq_tf.models.packing import pack_contents  # packed layers import TensorFlow

        pack_contents(model, contents, **packing)
    else:
        contents.put_weights(model)
    initialize_rest(made)
    contents.restore_state(model)
    return model


def _make(opened: QuantizedFile, custom_objects, safe_mode: bool) -> tuple:
    # The model of the file's Keras config, and its variables, which wait for their values.
    config = opened.metadata.get("model")
    if config is None:
        raise _not_enough(opened, "has no Keras config (none makes its model)")
    try:
        model, made = deferred_model(config, custom_objects, safe_mode)
    except Exception as error:  # whatever a model's own class raises
        raise ValueError(f"{_remedy(error)}. Received: '{opened.path}': {_brief(error)}") from None
    if not isinstance(model, keras.Model):
        raise _not_enough(opened, f"has the Keras config of a {type(model).__name__}")
    if not model.built or not model.weights:
        raise _not_enough(opened, "has a Keras config that does not build the model")
    return model, made


def _not_enough(opened: QuantizedFile, why: str) -> ValueError:
    return ValueError(
        f"`model` must be given, since the file {why}: bcq_tf.load_model(path, model=...). "
        f"Received: '{opened.path}'"
    )


def _remedy(error: Exception) -> str:
    if "Lambda" in str(error) and "safe" in str(error):
        return "`safe_mode` must be False to run the code of a Lambda layer, if you trust the file"
    return (
        "`model` must be given, or its classes imported (in a command by --import) or in "
        "`custom_objects`, since the file's Keras config does not make a model"
    )


def _brief(error: Exception) -> str:
    # Keras puts the config after the reason, and the outer class's trouble before it.
    text = str(error).rpartition("Exception encountered: ")[2].partition("Full object config:")[0]
    lines = text.strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 300 else f"{lines[0][:297]}..."
