"""`export_onnx`: a packed model for ONNX runtimes."""

from __future__ import annotations

import contextlib
import logging

import numpy as np
import tensorflow as tf

from bcq_tf.export.interface import check_compute_dtype, check_packed
from bcq_tf.export.tracing import PackedFunction
from bcq_tf.files.atomic import write_atomically
from bcq_tf.files.paths import check_writable
from bcq_tf.ops.engine import BITWISE, lacking

OPSETS = range(13, 19)  # what tf2onnx knows, from where reductions and einsum are whole


def export_onnx(model, path, input_signature=None, opset: int = 18) -> None:
    """Writes a packed model as one ONNX file, weights packed as bytes of eight signs.

    Standard operators unpack them (Cast, Gather from an array of signs, Mul, Add). Inputs have the
    names of the model's inputs, outputs those of a SavedModel: "output_0", or the keys of a dict.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: of the file; an existing one is replaced once the new one is whole, folders that are
            missing are made.
        input_signature: `input_specs` tells; None for the model's own inputs, any batch size.
        opset: version of the operator set, 13 to 18.

    Raises:
        ImportError: onnx or tf2onnx is not installed.
        TypeError, ValueError: the model is not built, not packed, or computes in bfloat16; it has
            an operation that ONNX or tf2onnx lacks; opset is out of range.
        OSError: the file cannot be written.
    """
    check_packed(model)
    check_compute_dtype(model, ("float32", "float16"))
    check_writable(path)
    if opset not in OPSETS:
        raise ValueError(f"`opset` must be from {OPSETS[0]} to {OPSETS[-1]}. Received: {opset}")
    onnx, tf2onnx = _packages()
    function = PackedFunction.of(model, input_signature)
    flat, specs = function.flat()
    proto = _converted(tf2onnx, flat, specs, opset)
    _inputs_to_initializers(onnx, proto.graph, function.constants | _captured(flat))
    with _one_line_errors(onnx.checker.ValidationError):
        onnx.checker.check_model(proto)
    write_atomically(path, [proto.SerializeToString()])


def _packages() -> tuple:
    try:
        import onnx
        import tf2onnx.convert
    except ImportError as error:
        raise ImportError(
            f"`export_onnx` needs onnx and tf2onnx: pip install onnx tf2onnx ({error})"
        ) from None
    return onnx, tf2onnx


def _converted(tf2onnx, function, specs: list, opset: int):
    # As tf2onnx.convert.from_function, but an operator that ONNX lacks is an error, and so is an
    # optimizer that fails.
    with lacking(BITWISE):  # ONNX shifts no int64
        concrete = function.get_concrete_function()
    names = [tensor.name for tensor in concrete.inputs if tensor.dtype != tf.resource]
    outputs = {tensor.name: name for name, tensor in concrete.structured_outputs.items()}
    frozen = tf2onnx.tf_loader.from_function(concrete, names, list(outputs))
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        renamed = dict(zip(names, (spec.name for spec in specs), strict=False)) | outputs
        with _one_line_errors(Exception):  # of many kinds
            converted = tf2onnx.tfonnx.process_tf_graph(
                graph,
                opset=opset,
                input_names=names,
                output_names=list(outputs),
                tensors_to_rename=renamed,
                custom_op_handlers={"Erfc": (_convert_erfc, [])},
            )
        # This one writes 0 for a length that stays, which is wrong once two reshapes have been
        # merged into one.
        optimizers = dict(tf2onnx.optimizer._get_optimizers())
        del optimizers["reshape_optimizer"]
        optimized = tf2onnx.optimizer.optimize_graph(converted, False, optimizers)
        return optimized.make_model("bcq_tf")


def _convert_erfc(graph, node, name: str, _args) -> None:
    # Of exact GELU; tf2onnx knows Erf only. erfc(x) = 1 - erf(x).
    x, shapes, dtypes = node.input[0], node.output_shapes, node.output_dtypes
    graph.remove_node(name)
    one = graph.make_const(f"{name}_one", np.float32(1)).output[0]
    terms = [one, graph.make_node("Erf", [x]).output[0]]
    graph.make_node("Sub", terms, name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)


@contextlib.contextmanager
def _one_line_errors(kinds):
    # What is not known is logged at length too.
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except kinds as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"`model` must use operations that ONNX and tf2onnx have. Received: {reason}"
        ) from None
    finally:
        logger.setLevel(level)


def _captured(function) -> dict[str, np.ndarray]:
    # Tensors that the model's layers hold: to tf2onnx they are inputs.
    captures = function.get_concrete_function().graph.captures
    return {
        inside.name: outside.numpy() for outside, inside in captures if inside.dtype != tf.resource
    }


def _inputs_to_initializers(onnx, graph, constants: dict) -> None:
    for value in [value for value in graph.input if value.name in constants]:
        graph.input.remove(value)
        name, array = value.name, constants[value.name]
        wanted = value.type.tensor_type.elem_type
        if array.dtype == np.float16 and wanted == onnx.TensorProto.FLOAT:
            name += "_half"
            widen = onnx.helper.make_node("Cast", [name], [value.name], to=wanted)
            graph.node.insert(0, widen)
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
