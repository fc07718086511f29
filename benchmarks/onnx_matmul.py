"""onnxruntime's MatMulNBits: a session that multiplies by some matrices of random b-bit codes."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

BLOCK = 64
ACTIVATIONS = {"float": 0, "int8": 4}  # `accuracy_level`


class OnnxProducts:
    """Products of one x [batch, columns] with each of `copies` matrices [rows, columns].

    Args:
        bits: 2 or 4, one scale for each block of 64 columns.
        activations: "float" or "int8", the type that x is multiplied in.
        threads: of the session.
    """

    def __init__(self, columns, rows, bits, activations, copies, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = _model(rows, columns, bits, ACTIVATIONS[activations], copies)
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        self.products = copies
        self._rows = rows

    def bind(self, x):
        """Makes x float32 [batch, columns] the input of `run`."""
        self._kept = [onnxruntime.OrtValue.ortvalue_from_numpy(x)]
        self._binding.bind_ortvalue_input("x", self._kept[0])
        for i in range(self.products):
            y = onnxruntime.OrtValue.ortvalue_from_shape_and_type([len(x), self._rows], np.float32)
            self._binding.bind_ortvalue_output(f"y{i}", y)
            self._kept.append(y)

    def run(self):
        """One product with each matrix, in order."""
        self._session.run_with_iobinding(self._binding)


def _model(rows, columns, bits, accuracy_level, copies):
    rng = np.random.default_rng(0)
    blocks = -(-columns // BLOCK)
    nodes, parts = [], []
    for i in range(copies):
        words = rng.integers(0, 256, (rows, blocks, BLOCK * bits // 8), np.uint8)
        scales = rng.uniform(0.1, 1, rows * blocks).astype(np.float32)
        parts += [
            onnx.numpy_helper.from_array(words, f"words{i}"),
            onnx.numpy_helper.from_array(scales, f"scales{i}"),
        ]
        node = helper.make_node(
            "MatMulNBits",
            ["x", f"words{i}", f"scales{i}"],
            [f"y{i}"],
            domain="com.microsoft",
            K=columns,
            N=rows,
            bits=bits,
            block_size=BLOCK,
            accuracy_level=accuracy_level,
        )
        nodes.append(node)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", columns])
    ys = [
        helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["batch", rows])
        for i in range(copies)
    ]
    graph = helper.make_graph(nodes, "products", [x], ys, initializer=parts)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
