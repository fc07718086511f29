"""`export_runtime`: a packed model as one file that runs without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.export.interface import check_compute_dtype, check_packed, input_specs
from bcq_tf.export.runtime.conversion import Conversion
from bcq_tf.export.runtime.marks import Marks
from bcq_tf.files import file
from bcq_tf.runtime import graph
from bcq_tf.runtime.loaded import ASSETS, CALL


def export_runtime(
    model,
    path,
    functions: Mapping | None = None,
    input_signature=None,
    assets: Mapping[str, bytes] | None = None,
) -> int:
    """Writes a packed model as one file for `bcq_tf.runtime.load`, weights in their codes.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: where to write; must end with ".bcq.npy".
        functions: {name: (function, signature)} of what is to be run in place of the model itself:
            functions of tensors that call the model or its layers, in inference, as a step of
            decoding does with caches as inputs and outputs; each with a list of `tf.TensorSpec`,
            one structure for each argument. None: the model, under the name "call".
        input_signature: of the model itself; `input_specs` tells. None for its own inputs, any
            batch size.
        assets: {name: bytes} to come along, as `Loaded.assets`: a vocabulary, for example.

    Returns:
        Size of the file in bytes.

    Raises:
        TypeError, ValueError: the model is not built, not packed, or computes in bfloat16; an
            operation is not one of the runtime's, which the message names.
        OSError: the file cannot be written.

    Example:
        >>> nbytes = bcq_tf.export_runtime(bcq_tf.load_model("model.bcq.npy"), "run.bcq.npy")
    """
    check_packed(model)
    check_compute_dtype(model, ("float32", "float16"))
    file.check_output(path)
    files = _checked_assets(assets)
    given = _given(model, functions, input_signature)
    marks = Marks(model)
    conversion = Conversion(marks)
    for name, (function, specs) in given.items():
        conversion.add(name, *_traced(name, function, specs, marks))
    metadata = {graph.KEY: graph.to_json(conversion.functions), ASSETS: list(files)}
    used = _used(conversion)
    codes = {name: value for name, value in marks.codes.items() if name in used}
    contents = {f"{ASSETS}/{name}": content for name, content in files.items()}
    return file.save(path, codes | conversion.arrays | contents, metadata)


def _checked_assets(assets: Mapping | None) -> dict[str, np.ndarray]:
    if not isinstance(assets, Mapping | None):
        raise TypeError(f"`assets` must be a dict. Received: {type(assets).__name__}")
    for name, content in (assets or {}).items():
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise TypeError(
                f"`assets` must be {{name: bytes}}. Received: {name!r}: {type(content).__name__}"
            )
    return {name: np.frombuffer(content, np.uint8) for name, content in (assets or {}).items()}


def _given(model, functions: Mapping | None, signature) -> dict[str, tuple[Callable, list]]:
    if functions is None:
        return {
            CALL: (lambda *inputs: model(*inputs, training=False), input_specs(model, signature))
        }
    if signature is not None:
        raise ValueError(
            "`input_signature` must be None where `functions` are given. Received: one"
        )
    if not isinstance(functions, Mapping) or not functions:
        raise TypeError(f"`functions` must be a dict. Received: {functions!r}")
    made = {}
    for name, each in functions.items():
        pair = isinstance(each, tuple) and len(each) == 2 and callable(each[0])
        if not isinstance(name, str) or not pair:
            raise TypeError(
                f"`functions` must be {{name: (function, signature)}}. Received: {name!r}: {each!r}"
            )
        made[name] = each[0], input_specs(model, each[1])
    return made


def _traced(name: str, function: Callable, specs: list, marks: Marks) -> tuple:
    # (concrete function of flat tensors, structure of the outputs)
    flat, structures = keras.tree.flatten(specs), []

    @tf.function(input_signature=flat, autograph=False)
    def traced(*tensors):
        with marks.used():
            outputs = function(*keras.tree.pack_sequence_as(specs, list(tensors)))
        leaves: list = []
        structures.append(_structure(outputs, leaves))
        return [tf.convert_to_tensor(leaf) for leaf in leaves]

    concrete = traced.get_concrete_function()
    return concrete, structures[-1]


def _structure(outputs, leaves: list):
    # As `Function.structure`; collects the tensors.
    if isinstance(outputs, Mapping):
        return {str(key): _structure(value, leaves) for key, value in outputs.items()}
    if isinstance(outputs, list | tuple):
        return [_structure(value, leaves) for value in outputs]
    if outputs is None:
        return None
    leaves.append(outputs)
    return len(leaves) - 1


def _used(conversion: Conversion) -> set[str]:
    nodes = [node for function in conversion.functions.values() for node in function.nodes]
    outputs = [each for function in conversion.functions.values() for each in function.outputs]
    inputs = [each for node in nodes for each in node.inputs]
    return {each for each in (*inputs, *outputs) if isinstance(each, str)}
