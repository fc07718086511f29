"""`export_onnx`: a packed model for ONNX runtimes."""

from __future__ import annotations

from bcq_tf.atomic import write_atomically
from bcq_tf.export.interface import check_packed
from bcq_tf.export.tracing import Trace, trace


def export_onnx(model, path, input_signature=None, opset: int = 18) -> None:
    """Writes a packed model as one ONNX file, weights packed as bytes of eight signs.

    Standard operators unpack them (Cast, Gather from a table of signs, Mul, Add). Inputs have the
    names of the model's inputs, outputs those of a SavedModel: "output_0", or the keys of a dict.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: of the file; an existing one is replaced once the new one is whole.
        input_signature: `input_specs` tells; None for the model's own inputs, any batch size.
        opset: version of the operator set.

    Raises:
        ImportError: onnx or tf2onnx is not installed.
        TypeError, ValueError: the model is not built or not packed.
        OSError: the file cannot be written.
    """
    check_packed(model)
    onnx, tf2onnx = _packages()
    traced = trace(model, input_signature)
    proto, _ = tf2onnx.convert.from_function(traced.function, traced.specs, opset=opset)
    _inputs_to_initializers(onnx, proto.graph, traced)
    onnx.checker.check_model(proto)
    write_atomically(path, [proto.SerializeToString()])


def _packages() -> tuple:
    try:
        import onnx
        import tf2onnx
        import tf2onnx.convert
    except ImportError as error:
        raise ImportError(
            f"`export_onnx` needs onnx and tf2onnx: pip install onnx tf2onnx ({error})"
        ) from None
    return onnx, tf2onnx


def _inputs_to_initializers(onnx, graph, traced: Trace) -> None:
    values = [node for node in graph.input if node.name in traced.constants]
    for value in values:
        graph.input.remove(value)
        array = traced.constants[value.name]
        graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
