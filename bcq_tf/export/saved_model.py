"""`export_saved_model` and `load_saved_model`: a packed model for TensorFlow and its server."""

from __future__ import annotations

import errno
import os

import keras
import tensorflow as tf

from bcq_tf import native
from bcq_tf.export.interface import check_packed, float32, input_specs, new_archive
from bcq_tf.export.tracing import PackedFunction
from bcq_tf.files.atomic import replacing
from bcq_tf.files.paths import check_writable
from bcq_tf.ops import engine


def export_saved_model(model, path, portable: bool = True, input_signature=None) -> None:
    """Writes a packed model as a SavedModel with the signatures "serving_default" and "serve".

    Both are those of `keras.Model.export`: inputs have the names of the model's inputs, outputs are
    called "output_0" and so on, or by the keys of a dict; half precision comes out as float32. The
    codes are stored as they are.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: of the folder, which must not exist; those that it lies in are made. It is written
            under another name and renamed once it is whole.
        portable: True for plain TensorFlow ops, which need no bcq_tf where the model is loaded and
            unpack the codes at each call; False for the compiled ops, see `load_saved_model`.
        input_signature: a list with one structure of keras.InputSpec or tf.TensorSpec for each
            positional argument of the model; None for the model's own inputs, any batch size.

    Raises:
        FileExistsError: something stands at `path`.
        OSError: it cannot be written.
        TypeError, ValueError: the model is not built or not packed.
        bcq_tf.native.NativeLibraryError: `portable` is False and the compiled ops cannot be used.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.pack_model(model, bcq_tf.quantize_model(model, bits=2).codes)
        >>> bcq_tf.export_saved_model(model, "models/mine/1")
        >>> served = bcq_tf.load_saved_model("models/mine/1")
        >>> served.serve(np.ones((1, 64), "float32")).shape
        TensorShape([1, 32])
    """
    check_packed(model)
    path = _free(path)
    serve, specs = (_portable if portable else _compiled)(model, input_signature)
    archive = new_archive(model)
    archive.add_endpoint("serve", serve, specs)
    with replacing(path) as folder:
        # Gradients would be saved too, and are of no use.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        archive.write_out(folder, options=options, verbose=False)


def _portable(model, signature) -> tuple:
    function = PackedFunction.of(model, signature)
    variables = {
        name: tf.Variable(array, trainable=False, name=name)
        for name, array in function.constants.items()
    }

    def serve(*arguments):
        constants = {name: float32(tf.convert_to_tensor(v)) for name, v in variables.items()}
        return function(arguments, constants)

    return serve, function.inputs


def _compiled(model, signature) -> tuple:
    _load_ops("`portable` must be True without the compiled ops")

    def serve(*arguments):
        return keras.tree.map_structure(float32, model(*arguments, training=False))

    return serve, input_specs(model, signature)


def load_saved_model(path):
    """`tf.saved_model.load`, after the compiled ops have been registered.

    Only what `export_saved_model` wrote with portable=False needs it.

    Raises:
        bcq_tf.native.NativeLibraryError: the compiled ops cannot be used.
        OSError: there is no SavedModel at `path`.
    """
    _load_ops("this SavedModel needs the compiled ops of bcq_tf")
    return tf.saved_model.load(os.fspath(path))


def _load_ops(need: str) -> None:
    if engine.library() is None:
        raise native.NativeLibraryError(
            f"{need}; bcq_tf.native.status() tells why they are not used. {native.REMEDY}"
        )


def _free(path) -> str:
    path = os.path.abspath(os.fsdecode(path))
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "`path` must not exist yet", path)
    return check_writable(path)
