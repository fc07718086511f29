"""What each operation of TensorFlow is in a graph of `bcq_tf.runtime`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Those that give what they get; what they check or stop is of no concern in inference.
SAME = {"Identity", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot", "EnsureShape"}

# The same inputs, no attributes.
NAMES = {
    "Abs": "absolute",
    "Add": "add",
    "AddV2": "add",
    "Atan2": "atan2",
    "BatchToSpaceND": "batch_to_space",
    "BiasAdd": "add",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BroadcastTo": "broadcast_to",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Div": "divide",
    "DivNoNan": "divide_no_nan",
    "Elu": "elu",
    "Equal": "equal",
    "Erf": "erf",
    "Erfc": "erfc",
    "Exp": "exp",
    "ExpandDims": "expand_dims",
    "Expm1": "expm1",
    "Fill": "fill",
    "Floor": "floor",
    "FloorDiv": "floor_divide",
    "FloorMod": "floor_mod",
    "GatherNd": "gather_nd",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
    "Inv": "reciprocal",
    "IsFinite": "is_finite",
    "IsNan": "is_nan",
    "Less": "less",
    "LessEqual": "less_equal",
    "Log": "log",
    "Log1p": "log1p",
    "LogSoftmax": "log_softmax",
    "LogicalAnd": "logical_and",
    "LogicalNot": "logical_not",
    "LogicalOr": "logical_or",
    "MatrixBandPart": "band_part",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Mul": "multiply",
    "Neg": "negative",
    "NotEqual": "not_equal",
    "OnesLike": "ones_like",
    "Pad": "pad",
    "PadV2": "pad",
    "Pow": "power",
    "Range": "range",
    "Rank": "rank",
    "RealDiv": "divide",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Relu6": "relu6",
    "Reshape": "reshape",
    "ReverseV2": "reverse",
    "Rint": "round",
    "Round": "round",
    "Rsqrt": "rsqrt",
    "ScatterNd": "scatter",
    "Select": "select_rows",
    "SelectV2": "where",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Slice": "slice",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SpaceToBatchND": "space_to_batch",
    "SplitV": "split",
    "Sqrt": "sqrt",
    "Square": "square",
    "SquaredDifference": "squared_difference",
    "Sub": "subtract",
    "Tan": "tan",
    "Tanh": "tanh",
    "TensorListLength": "list_length",
    "TensorListSetItem": "list_set",
    "TensorScatterUpdate": "scatter_update",
    "Tile": "tile",
    "TopKV2": "top_k",
    "Transpose": "transpose",
    "XlaDynamicUpdateSlice": "update_slice",
    "ZerosLike": "zeros_like",
}

_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def _dtype(name: str) -> Callable:
    return lambda op: {"dtype": op.get_attr(name).as_numpy_dtype.__name__}


def _renamed(**names: str) -> Callable:
    # {our attribute: TensorFlow's}
    def attributes(op) -> dict[str, Any]:
        return {ours: op.get_attr(theirs) for ours, theirs in names.items()}

    return attributes


def _reduction(op) -> dict:
    return {"keep": op.get_attr("keep_dims")}


def _transposed(a: str, b: str) -> Callable:
    return lambda op: {"transpose_a": op.get_attr(a), "transpose_b": op.get_attr(b)}


def _strided(op) -> dict:
    return {f"{mask}_mask": op.get_attr(f"{mask}_mask") for mask in _MASKS}


def _text(name: str) -> Callable:
    return lambda op: {name: op.get_attr(name).decode()}


def _bits(op) -> dict:
    given = _dtype("type")(op)
    if op.inputs[0].dtype.size != op.get_attr("type").size:
        raise ValueError(
            f"`model` must keep the bytes of a number to be exported. Received: Bitcast ({op.name})"
        )
    return given


def _windows(op) -> dict:
    _check_layout(op)
    return {
        "sizes": op.get_attr("ksize")[1:-1],
        "strides": op.get_attr("strides")[1:-1],
        "padding": op.get_attr("padding").decode(),
    }


def _convolution(op) -> dict:
    _check_layout(op)
    padding = op.get_attr("padding").decode()
    given = {
        "strides": op.get_attr("strides")[1:-1],
        "dilations": op.get_attr("dilations")[1:-1],
        "padding": padding,
    }
    if padding == "EXPLICIT":
        given["explicit"] = op.get_attr("explicit_paddings")[2:-2]
    return given


def _resizing(op) -> dict:
    return {"corners": op.get_attr("align_corners"), "centers": op.get_attr("half_pixel_centers")}


def _check_layout(op) -> None:
    layout = op.get_attr("data_format").decode()
    if not layout.endswith("C"):
        raise ValueError(
            f"`model` must have channels last to be exported. Received: {layout} ({op.name})"
        )


# (name, attributes of an operation); the inputs are the same.
ATTRIBUTES: dict[str, tuple[str, Callable]] = {
    "ArgMax": ("argmax", _dtype("output_type")),
    "ArgMin": ("argmin", _dtype("output_type")),
    "AvgPool": ("average_pool", _windows),
    "AvgPool3D": ("average_pool", _windows),
    "BatchMatMul": ("matmul", _transposed("adj_x", "adj_y")),
    "BatchMatMulV2": ("matmul", _transposed("adj_x", "adj_y")),
    "BatchMatMulV3": ("matmul", _transposed("adj_x", "adj_y")),
    "Bitcast": ("bitcast", _bits),
    "Cast": ("cast", _dtype("DstT")),
    "Conv2D": ("convolve", _convolution),
    "Conv2DBackpropInput": ("convolve_transposed", _convolution),
    "Conv3D": ("convolve", _convolution),
    "Conv3DBackpropInputV2": ("convolve_transposed", _convolution),
    "Cumsum": ("cumulative_sum", _renamed(exclusive="exclusive", reverse="reverse")),
    "DepthwiseConv2dNative": ("convolve_depthwise", _convolution),
    "Einsum": ("einsum", _text("equation")),
    "GatherV2": ("gather", _renamed(batch_axes="batch_dims")),
    "LeakyRelu": ("leaky_relu", _renamed(alpha="alpha")),
    "MatMul": ("matmul", _transposed("transpose_a", "transpose_b")),
    "MaxPool": ("max_pool", _windows),
    "MaxPool3D": ("max_pool", _windows),
    "MirrorPad": ("mirror_pad", _text("mode")),
    "OneHot": ("one_hot", _renamed(axis="axis")),
    "Pack": ("stack", _renamed(axis="axis")),
    "ResizeBilinear": ("resize_bilinear", _resizing),
    "ResizeNearestNeighbor": ("resize_nearest", _resizing),
    "Shape": ("shape", _dtype("out_type")),
    "Size": ("size", _dtype("out_type")),
    "Squeeze": ("squeeze", _renamed(axes="squeeze_dims")),
    "StridedSlice": ("strided_slice", _strided),
    "Unpack": ("unstack", _renamed(axis="axis")),
} | {
    theirs: (f"reduce_{ours}", _reduction)
    for theirs, ours in {
        "All": "all",
        "Any": "any",
        "Max": "max",
        "Mean": "mean",
        "Min": "min",
        "Prod": "product",
        "Sum": "sum",
    }.items()
}

# (name, number of the first inputs that it takes): TensorFlow's has shapes beside, which no array
# needs.
FIRST: dict[str, tuple[str, int]] = {
    "TensorListFromTensor": ("list_of", 1),
    "TensorListGetItem": ("list_get", 2),
    "TensorListStack": ("list_stack", 1),
}
