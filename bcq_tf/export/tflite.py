"""`export_tflite`: a packed model for TensorFlow Lite, now called LiteRT."""

from __future__ import annotations

import tempfile

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from bcq_tf.atomic import write_atomically
from bcq_tf.export.interface import check_packed
from bcq_tf.export.tracing import Trace, trace


def export_tflite(model, path, input_signature=None) -> None:
    """Writes a packed model as one flatbuffer of built-in operators, weights packed as bytes.

    They are unpacked at each call, row by row of an embedding, whole for a product. The signature
    "serving_default" has the names that a SavedModel of the model has.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: of the file; an existing one is replaced once the new one is whole.
        input_signature: `input_specs` tells; None for the model's own inputs, any batch size.

    Raises:
        TypeError, ValueError: the model is not built or not packed.
        OSError: the file cannot be written.
    """
    check_packed(model)
    traced = trace(model, input_signature)
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", traced.function, traced.specs)
        archive.write_out(folder, verbose=False)
        converted = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    contents = flatbuffer_utils.convert_bytearray_to_object(bytearray(converted))
    _inputs_to_constants(contents, traced)
    write_atomically(path, [flatbuffer_utils.convert_object_to_bytearray(contents)])


def _inputs_to_constants(contents: schema.ModelT, traced: Trace) -> None:
    main, (signature,) = contents.subgraphs[0], contents.signatureDefs
    tensors = {entry.name.decode(): entry.tensorIndex for entry in signature.inputs}
    constant = {tensors[name]: array for name, array in traced.constants.items() if name in tensors}
    for index, array in constant.items():
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        contents.buffers.append(buffer)
        main.tensors[index].buffer = len(contents.buffers) - 1
    main.inputs = [index for index in main.inputs if index not in constant]
    signature.inputs = [entry for entry in signature.inputs if entry.tensorIndex not in constant]
