"""Operations of a graph against those of TensorFlow that they stand for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.export.runtime import operations as table
from bcq_tf.export.runtime.conversion import Conversion, _Body
from bcq_tf.runtime.operations import OPERATIONS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype("float32")
Y = RNG.normal(size=(4, 5)).astype("float32")
P = np.abs(X) + np.float32(0.1)
N = RNG.integers(1, 9, (3, 4)).astype("int32")
J = RNG.integers(-9, 9, (3, 4)).astype("int32")
B = X > 0
IMAGE = RNG.normal(size=(2, 7, 8, 6)).astype("float32")
VOLUME = RNG.normal(size=(2, 5, 4, 6, 3)).astype("float32")
raw = tf.raw_ops


def kernel(*shape):
    return RNG.normal(size=shape).astype("float32")


TURNED, TURNED_4, TURNED_3D = kernel(3, 2, 5, 6), kernel(4, 2, 5, 6), kernel(3, 2, 1, 5, 3)


def unary(name, x=X):
    return lambda: getattr(raw, name)(**{_ARGUMENT.get(name, "x"): x})


_ARGUMENT = dict.fromkeys(
    ("Elu", "Relu", "Relu6", "Selu", "Softplus", "Softsign", "LeakyRelu"), "features"
) | dict.fromkeys(("Softmax", "LogSoftmax"), "logits")


def binary(name, x, y):
    return lambda: getattr(raw, name)(x=x, y=y)


def conv(name, x, filter_, **settings):
    layout = {"data_format": "NHWC" if x.ndim == 4 else "NDHWC"}
    return lambda: getattr(raw, name)(input=x, filter=filter_, **layout, **settings)


CASES = {
    **{f"{n}": unary(n) for n in (
        "Abs", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Erfc", "Exp", "Expm1", "Floor", "IsFinite",
        "IsNan", "LogSoftmax", "Neg", "OnesLike", "Relu", "Relu6", "Rint", "Round", "Selu",
        "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "Square", "Tan",
        "Tanh", "ZerosLike", "LeakyRelu")},
    **{f"{n}_of_positive": unary(n, P) for n in (
        "Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Inv")},
    **{f"{n}": binary(n, X, Y) for n in (
        "Add", "AddV2", "Atan2", "Div", "DivNoNan", "Equal", "Greater", "GreaterEqual", "Less",
        "LessEqual", "Maximum", "Minimum", "Mul", "NotEqual", "RealDiv", "SquaredDifference",
        "Sub", "FloorDiv", "FloorMod")},
    **{f"{n}_of_integers": binary(n, J, N) for n in (
        "AddV2", "Div", "FloorDiv", "FloorMod", "Maximum", "Mul", "BitwiseAnd", "BitwiseOr")},
    "DivNoNan_zero": binary("DivNoNan", X, np.zeros_like(Y)),
    "Sigmoid_far": unary("Sigmoid", np.array([-200, -50, 0, 50, 200], "float32")),
    "Softmax_far": unary("Softmax", np.array([[-1e30, 0, 3], [1e30, 0, -1]], "float32")),
    "Softplus_far": unary("Softplus", np.array([-200, 0, 200], "float32")),
    "Erf_far": unary("Erf", np.array([-9, -3, -1e-4, 0, 1e-6, 2, 5.9, 6.1, 99], "float32")),
    "Pow": binary("Pow", P, Y),
    "LogicalAnd": binary("LogicalAnd", B, ~B[0]),
    "LogicalOr": binary("LogicalOr", B, ~B[0]),
    "LogicalNot": unary("LogicalNot", B),
    "BiasAdd": lambda: raw.BiasAdd(value=X, bias=Y[0]),
    "SelectV2": lambda: raw.SelectV2(condition=B[0], t=X, e=-X),
    "Select": lambda: raw.Select(condition=B[:, 0, 0], x=X, y=-X),
    "Bitcast": lambda: raw.Bitcast(input=X, type=tf.int32),
    "Cast_to_int": lambda: raw.Cast(x=7 * X, DstT=tf.int32),
    "Cast_to_bool": lambda: raw.Cast(x=N - 3, DstT=tf.bool),
    "Cast_to_half": lambda: raw.Cast(x=X, DstT=tf.float16),
    "Reshape": lambda: raw.Reshape(tensor=X, shape=[5, -1]),
    "Transpose": lambda: raw.Transpose(x=X, perm=[2, 0, 1]),
    "ExpandDims": lambda: raw.ExpandDims(input=X, axis=-2),
    "Squeeze": lambda: raw.Squeeze(input=X[:, :1, :1], axis=[1]),
    "Squeeze_all": lambda: raw.Squeeze(input=X[:, :1, :1]),
    "ConcatV2": lambda: raw.ConcatV2(values=[X, -X], axis=-1),
    "Pack": lambda: raw.Pack(values=[X, -X], axis=2),
    "Unpack": lambda: raw.Unpack(value=X, num=4, axis=1),
    "Split": lambda: raw.Split(axis=1, value=X, num_split=2),
    "SplitV": lambda: raw.SplitV(value=X, size_splits=[1, -1, 2], axis=2, num_split=3),
    "Slice": lambda: raw.Slice(input=X, begin=[0, 1, 2], size=[2, -1, 2]),
    "StridedSlice": lambda: tf.constant(X)[..., tf.newaxis, ::-2, 1],
    "StridedSlice_ends": lambda: tf.constant(X)[-2:, 1:3, :-1],
    "GatherV2": lambda: raw.GatherV2(params=X, indices=[[2, 0], [1, 1]], axis=1),
    "GatherV2_batch": lambda: raw.GatherV2(params=X, indices=N % 5, axis=2, batch_dims=1),
    "GatherV2_batch_two": lambda: raw.GatherV2(
        params=X, indices=(N % 5)[:, :, None], axis=2, batch_dims=2),
    "GatherNd": lambda: raw.GatherNd(params=X, indices=[[0, 1], [2, 3]]),
    "GatherNd_all": lambda: raw.GatherNd(params=X, indices=np.zeros((2, 0), "int32")),
    "ScatterNd": lambda: raw.ScatterNd(indices=[[1], [1], [0]], updates=X[:, 0], shape=[4, 5]),
    "TensorScatterUpdate": lambda: raw.TensorScatterUpdate(
        tensor=X, indices=[[0, 1], [2, 3]], updates=Y[:2]),
    "XlaDynamicUpdateSlice": lambda: keras.ops.slice_update(X, [2, 1, -3], X[:2, :2, :2]),
    "Tile": lambda: raw.Tile(input=X, multiples=[1, 2, 3]),
    "BroadcastTo": lambda: raw.BroadcastTo(input=X[:1], shape=[6, 4, 5]),
    "Fill": lambda: raw.Fill(dims=[2, 3], value=np.float32(4)),
    "Range": lambda: raw.Range(start=2, limit=11, delta=3),
    "Range_of_floats": lambda: raw.Range(start=tf.constant(2.0), limit=3.0, delta=0.25),
    "Pad": lambda: raw.Pad(input=Y, paddings=[[1, 0], [2, 3]]),
    "PadV2": lambda: raw.PadV2(input=Y, paddings=[[1, 0], [2, 3]], constant_values=np.float32(7)),
    "MirrorPad": lambda: raw.MirrorPad(input=Y, paddings=[[1, 0], [2, 3]], mode="REFLECT"),
    "MirrorPad_edge": lambda: raw.MirrorPad(input=Y, paddings=[[1, 0], [2, 3]], mode="SYMMETRIC"),
    "ReverseV2": lambda: raw.ReverseV2(tensor=X, axis=[0, 2]),
    "MatrixBandPart": lambda: raw.MatrixBandPart(input=X, num_lower=-1, num_upper=0),
    "MatrixBandPart_band": lambda: raw.MatrixBandPart(input=X, num_lower=1, num_upper=2),
    "OneHot": lambda: raw.OneHot(indices=N % 5, depth=5, on_value=2.0, off_value=-1.0),
    "OneHot_first": lambda: raw.OneHot(indices=N % 5, depth=5, on_value=2.0, off_value=0.0, axis=1),
    "Cumsum": lambda: raw.Cumsum(x=X, axis=1),
    "Cumsum_turned": lambda: raw.Cumsum(x=X, axis=2, exclusive=True, reverse=True),
    "TopKV2": lambda: raw.TopKV2(input=np.round(X), k=3),
    "Shape": lambda: raw.Shape(input=X, out_type=tf.int64),
    "Size": lambda: raw.Size(input=X),
    "Rank": lambda: raw.Rank(input=X),
    "SpaceToBatchND": lambda: raw.SpaceToBatchND(
        input=IMAGE, block_shape=[2, 3], paddings=[[1, 0], [0, 1]]),
    "BatchToSpaceND": lambda: raw.BatchToSpaceND(
        input=np.tile(IMAGE, (3, 1, 1, 1)), block_shape=[2, 3], crops=[[1, 0], [2, 1]]),
    **{n: (lambda n=n: getattr(raw, n)(input=X, axis=[0, 2], keep_dims=True)) for n in (
        "Max", "Mean", "Min", "Prod", "Sum")},
    **{f"{n}_one": (lambda n=n: getattr(raw, n)(input=X, axis=-1)) for n in ("Max", "Mean", "Sum")},
    "Mean_of_integers": lambda: raw.Mean(input=J, axis=0),
    "Sum_of_integers": lambda: raw.Sum(input=J, axis=[0, 1]),
    "All": lambda: raw.All(input=B, axis=[1]),
    "Any": lambda: raw.Any(input=B, axis=[1, 2]),
    "ArgMax": lambda: raw.ArgMax(input=X, dimension=1),
    "ArgMin": lambda: raw.ArgMin(input=X, dimension=-1, output_type=tf.int32),
    "MatMul": lambda: raw.MatMul(a=X[0], b=Y, transpose_b=True),
    "MatMul_turned": lambda: raw.MatMul(a=X[0], b=Y, transpose_a=True),
    "BatchMatMulV2": lambda: raw.BatchMatMulV2(x=X, y=Y[None], adj_y=True),
    "BatchMatMul": lambda: raw.BatchMatMul(x=X, y=X, adj_x=True),
    "BatchMatMulV3": lambda: raw.BatchMatMulV3(x=X, y=X, adj_y=True, Tout=tf.float32),
    "Einsum": lambda: raw.Einsum(inputs=[X, Y], equation="abc,dc->dba"),
    "Einsum_dots": lambda: raw.Einsum(inputs=[X, Y], equation="...c,dc->...d"),
    "Conv2D": conv("Conv2D", IMAGE, kernel(3, 2, 6, 4), strides=[1, 2, 1, 1], padding="SAME"),
    "Conv2D_valid": conv("Conv2D", IMAGE, kernel(3, 2, 6, 4), strides=[1, 1, 3, 1],
                         padding="VALID", dilations=[1, 2, 3, 1]),
    "Conv2D_groups": conv("Conv2D", IMAGE, kernel(3, 3, 2, 9), strides=[1, 1, 1, 1],
                          padding="SAME"),
    "Conv2D_explicit": conv("Conv2D", IMAGE, kernel(3, 3, 6, 4), strides=[1, 1, 1, 1],
                            padding="EXPLICIT", explicit_paddings=[0, 0, 2, 1, 0, 3, 0, 0]),
    "Conv3D": conv("Conv3D", VOLUME, kernel(2, 3, 2, 3, 4), strides=[1, 2, 1, 1, 1],
                   padding="SAME"),
    "DepthwiseConv2dNative": conv("DepthwiseConv2dNative", IMAGE, kernel(3, 2, 6, 2),
                                  strides=[1, 2, 2, 1], padding="SAME"),
    "DepthwiseConv2dNative_dilated": conv(
        "DepthwiseConv2dNative", IMAGE, kernel(3, 2, 6, 2), strides=[1, 1, 1, 1],
        padding="VALID", dilations=[1, 2, 3, 1]),
    "Conv2DBackpropInput": lambda: raw.Conv2DBackpropInput(
        input_sizes=[2, 14, 15, 5], filter=TURNED, out_backprop=IMAGE,
        strides=[1, 2, 2, 1], padding="SAME"),
    "Conv2DBackpropInput_valid": lambda: raw.Conv2DBackpropInput(
        input_sizes=[2, 22, 16, 5], filter=TURNED_4, out_backprop=IMAGE,
        strides=[1, 3, 2, 1], padding="VALID"),
    "Conv3DBackpropInputV2": lambda: raw.Conv3DBackpropInputV2(
        input_sizes=[2, 10, 4, 6, 5], filter=TURNED_3D, out_backprop=VOLUME,
        strides=[1, 2, 1, 1, 1], padding="SAME"),
    **{f"{n}_{p}": (lambda n=n, p=p: getattr(raw, n)(
        **{"input" if n == "MaxPool" else "value": IMAGE}, ksize=[1, 3, 2, 1],
        strides=[1, 2, 3, 1], padding=p))
       for n in ("MaxPool", "AvgPool") for p in ("SAME", "VALID")},
    **{n: (lambda n=n: getattr(raw, n)(
        input=VOLUME, ksize=[1, 2, 3, 2, 1], strides=[1, 1, 2, 1, 1], padding="SAME"))
       for n in ("MaxPool3D", "AvgPool3D")},
    **{f"{n}_{a}_{c}": (lambda n=n, a=a, c=c: getattr(raw, n)(
        images=IMAGE, size=[11, 5], align_corners=a, half_pixel_centers=c))
       for n in ("ResizeBilinear", "ResizeNearestNeighbor")
       for a, c in ((False, False), (False, True), (True, False))},
}  # fmt: skip


def in_graph(call):
    """(operation of TensorFlow, its inputs' values, its outputs' values): of a traced call."""
    function = tf.function(call, autograph=False).get_concrete_function()
    outputs = tf.nest.flatten(function.structured_outputs)
    op = outputs[0].op
    while op.type in table.SAME:
        op = op.inputs[0].op
    expected = [np.asarray(each) for each in tf.nest.flatten(call())]
    return op, expected


@pytest.mark.parametrize("name", CASES)
def test_an_operation_gives_what_tensorflow_s_gives(name):
    op, expected = in_graph(CASES[name])
    body = _Body(Conversion(_NoMarks()), 0)
    values = [tf.make_ndarray(tensor.op.get_attr("value")) for tensor in op.inputs]
    operation, inputs, attributes = body._translated(op, values)
    actual = OPERATIONS[operation].run(*inputs, **attributes)
    actual = list(actual) if isinstance(actual, tuple) else [actual]
    for one, other in zip(actual, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=3e-6, atol=3e-6)


class _NoMarks:
    def of(self, op):
        return None


def test_every_operation_of_the_table_has_a_case():
    named = {name.partition("_")[0] for name in CASES}
    elsewhere = {"TensorListLength", "TensorListSetItem", *table.FIRST}  # in loops
    assert named == {*table.NAMES, *table.ATTRIBUTES, "ConcatV2", "Split"} - elsewhere


def test_every_operation_of_the_runtime_is_of_use():
    of_table = {*table.NAMES.values(), *(name for name, _ in table.ATTRIBUTES.values())}
    of_table |= {name for name, _ in table.FIRST.values()}
    others = {"concatenate", "split_evenly", "list_empty", "product", "rows", "columns"}
    assert set(OPERATIONS) == of_table | others


@pytest.mark.parametrize("shape", [(3, 2, 6, 4), (3, 3, 2, 9)], ids=["plain", "groups"])
def test_a_convolution_of_no_samples(shape):
    # TensorFlow's own has another shape on some processors.
    run, settings = OPERATIONS["convolve"].run, {"dilations": [1, 1], "padding": "SAME"}
    expected = run(IMAGE, kernel(*shape), strides=[2, 1], **settings).shape
    assert run(IMAGE[:0], kernel(*shape), strides=[2, 1], **settings).shape == (0, *expected[1:])
