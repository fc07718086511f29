"""`export_tflite`: a packed model for TensorFlow Lite, now called LiteRT."""

from __future__ import annotations

import copy
import re
import tempfile
from typing import NoReturn

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert_phase import ConverterError
from tensorflow.lite.tools import flatbuffer_utils

from bcq_tf.export.interface import check_compute_dtype, check_packed, new_archive
from bcq_tf.export.operators import NAMES, Operators
from bcq_tf.export.tracing import PackedFunction
from bcq_tf.files.atomic import write_atomically
from bcq_tf.files.paths import check_writable
from bcq_tf.ops.engine import BITWISE, GATHER_HALF, lacking

BUILTIN, BCQ = KERNELS = ("builtin", "bcq")


def export_tflite(model, path, input_signature=None, kernels: str = "builtin") -> None:
    """Writes a packed model as one flatbuffer, its codes as they are.

    The signature "serving_default" has the names that a SavedModel of the model has.

    Args:
        model: a built Keras model that `bcq_tf.pack_model` packed.
        path: of the file; an existing one is replaced once the new one is whole, folders that are
            missing are made.
        input_signature: `input_specs` tells; None for the model's own inputs, any batch size.
        kernels: "builtin" for operators that every interpreter has: codes are unpacked at each
            call, row by row of an embedding, whole for a product. "bcq" for this library's own,
            which compute from binary codes; an interpreter has them from the delegate
            `bcq_tf.native.litert_library()`.

    Raises:
        TypeError, ValueError: the model is not built, not packed, or computes in half precision;
            it has an operation that is not built into TensorFlow Lite; `kernels` is another.
        OSError: the file cannot be written.
    """
    if kernels not in KERNELS:
        raise ValueError(f"`kernels` must be one of {list(KERNELS)}. Received: kernels={kernels!r}")
    check_packed(model)
    check_compute_dtype(model, ("float32",))
    check_writable(path)
    contents = (_with_builtin if kernels == BUILTIN else _with_ours)(model, input_signature)
    write_atomically(path, [flatbuffer_utils.convert_object_to_bytearray(contents)])


def _with_builtin(model, signature) -> schema.ModelT:
    function = PackedFunction.of(model, signature)
    contents = _converted(model, function.flat())
    _inputs_to_constants(contents, function.constants)
    return contents


def _with_ours(model, signature) -> schema.ModelT:
    function = PackedFunction.of(model, signature, Operators)
    contents = _converted(model, function.flat(as_inputs=False), allow_custom_ops=True)
    _check_custom(contents)
    return contents


def _converted(model, endpoint: tuple, allow_custom_ops: bool = False) -> schema.ModelT:
    with tempfile.TemporaryDirectory() as folder, lacking(BITWISE, GATHER_HALF):
        archive = new_archive(model)
        archive.add_endpoint("serve", *endpoint)
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = allow_custom_ops
        try:
            converted = converter.convert()
        except ConverterError as error:
            missing = set(re.findall(r"'tf\.(\w+)' op", str(error)))
            if not missing:
                raise
            _refuse(missing)
    return flatbuffer_utils.convert_bytearray_to_object(bytearray(converted))


def _check_custom(contents: schema.ModelT) -> None:
    names = {code.customCode.decode() for code in contents.operatorCodes if code.customCode}
    if names - NAMES:
        _refuse(names - NAMES)


def _refuse(missing: set[str]) -> NoReturn:
    raise ValueError(
        "`model` must use operations that TensorFlow Lite has built in; some are where "
        "`input_signature` fixes a length or the batch size. "
        f"Received: {', '.join(sorted(missing))}"
    ) from None


def _inputs_to_constants(contents: schema.ModelT, constants: dict[str, np.ndarray]) -> None:
    main, (signature,) = contents.subgraphs[0], contents.signatureDefs
    found = {entry.tensorIndex: constants.get(entry.name.decode()) for entry in signature.inputs}
    found = {index: array for index, array in found.items() if array is not None}
    for index, array in found.items():
        buffer = _add_buffer(contents, array)
        if array.dtype == np.float16:
            _add_widening(contents, buffer, index)
        else:
            main.tensors[index].buffer = buffer
    main.inputs = [index for index in main.inputs if index not in found]
    signature.inputs = [entry for entry in signature.inputs if entry.tensorIndex not in found]


def _add_buffer(contents: schema.ModelT, array: np.ndarray) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(array.tobytes(), np.uint8)
    contents.buffers.append(buffer)
    return len(contents.buffers) - 1


def _add_widening(contents: schema.ModelT, buffer: int, wide: int) -> None:
    # A float16 constant and, before all other operators, what makes float32 of it: DEQUANTIZE, as
    # in any model with float16 weights.
    main = contents.subgraphs[0]
    half = copy.copy(main.tensors[wide])
    half.name, half.type, half.buffer = half.name + b"_half", schema.TensorType.FLOAT16, buffer
    main.tensors.append(half)
    operator = schema.OperatorT()
    operator.opcodeIndex = _operator_code(contents, schema.BuiltinOperator.DEQUANTIZE, version=3)
    operator.inputs, operator.outputs = [len(main.tensors) - 1], [wide]
    main.operators.insert(0, operator)


def _operator_code(contents: schema.ModelT, builtin: int, version: int) -> int:
    for index, code in enumerate(contents.operatorCodes):
        if (code.builtinCode, code.version) == (builtin, version):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    contents.operatorCodes.append(code)
    return len(contents.operatorCodes) - 1
