"""Rows that a layer is said to multiply its weight by, times the weight, are what it computes."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

from bcq_tf.models.calibration.product_inputs import products
from bcq_tf.selection.selection import select

CONVOLUTIONS = {
    "plain": (L.Conv1D(6, 3), (9, 4)),
    "same, strides": (L.Conv1D(6, 4, strides=3, padding="same"), (10, 4)),
    "causal, dilation": (L.Conv1D(6, 3, padding="causal", dilation_rate=2), (9, 4)),
    "two axes": (L.Conv2D(6, (2, 3), strides=(2, 1), padding="same"), (7, 8, 4)),
    "groups": (L.Conv2D(6, 3, groups=2, dilation_rate=(1, 2)), (7, 8, 4)),
    "even kernel, same": (L.Conv2D(5, 2, strides=2, padding="same"), (7, 6, 3)),
    "three axes": (L.Conv3D(5, 2), (4, 5, 4, 3)),
    "pointwise": (L.Conv2D(6, 1), (5, 4, 8)),
    "transposed": (L.Conv1DTranspose(6, 3), (5, 4)),
    "transposed, strides": (L.Conv1DTranspose(6, 3, strides=2), (5, 4)),
    "transposed, same": (L.Conv2DTranspose(6, (4, 3), strides=(2, 1), padding="same"), (5, 6, 4)),
    "transposed, wide strides": (L.Conv2DTranspose(5, 2, strides=3), (4, 5, 3)),
    "transposed, three axes": (L.Conv3DTranspose(4, 2, strides=2, padding="same"), (2, 3, 4, 3)),
}
OTHERS = {
    "dense": (L.Dense(6), (4, 5)),
    "einsum": (L.EinsumDense("abc,cde->abde", (None, 2, 3)), (4, 5)),
    "einsum over two axes": (L.EinsumDense("abcd,cde->abe", (None, 6)), (4, 2, 5)),
    "einsum, axes in another order": (L.EinsumDense("abcd,dce->abe", (None, 6)), (4, 2, 5)),
    "einsum with dots": (L.EinsumDense("...x,xy->...y", 6), (3, 4, 5)),
    "einsum, result in another order": (L.EinsumDense("abcd,de->aceb", (4, 6, 2)), (2, 4, 5)),
}


@pytest.mark.parametrize("name", [*CONVOLUTIONS, *OTHERS])
def test_rows_times_the_weight_are_the_output(name):
    layer, shape = (CONVOLUTIONS | OTHERS)[name]
    layer = layer.__class__.from_config(
        layer.get_config() | {"use_bias": False}
        if "use_bias" in layer.get_config()
        else layer.get_config()
    )
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    y = np.asarray(layer(x))
    (weight,) = select(layer, rules={"*": {}}).chosen
    (product,) = products(layer)
    rows = product.rows(layer, weight.view, x)
    matrix = weight.view.to_matrix(np.asarray(layer.kernel))
    if getattr(layer, "groups", 1) > 1:
        per_group = matrix.reshape(layer.groups, -1, matrix.shape[1])
        found = np.einsum("...gc,grc->...gr", rows, per_group)
    else:
        found = rows @ matrix.T
    beside = product.outputs(layer, weight.view, y).reshape(*rows.shape[:-1], -1)
    np.testing.assert_allclose(found.reshape(beside.shape), beside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2])
def test_depthwise_rows(rank, padding):
    make = (L.DepthwiseConv1D, L.DepthwiseConv2D)[rank - 1]
    layer = make(3, depth_multiplier=2, padding=padding, use_bias=False)
    x = np.random.default_rng(0).normal(size=(2, *[7] * rank, 4)).astype("float32")
    y = np.asarray(layer(x))
    (weight,) = select(layer, rules={"*": {}}).chosen
    (product,) = products(layer)
    rows = product.rows(layer, weight.view, x)  # [batch, *positions, channels, kernel]
    matrix = weight.view.to_matrix(np.asarray(layer.kernel)).reshape(4, 2, -1)
    found = np.einsum("...ck,cmk->...cm", rows, matrix)
    beside = product.outputs(layer, weight.view, y).reshape(found.shape)
    np.testing.assert_allclose(found, beside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2])
def test_separable_rows(rank):
    make = (L.SeparableConv1D, L.SeparableConv2D)[rank - 1]
    layer = make(5, 3, depth_multiplier=2, strides=2, padding="same", use_bias=False)
    x = np.random.default_rng(0).normal(size=(2, *[7] * rank, 4)).astype("float32")
    y = np.asarray(layer(x))
    views = {weight.path.split("/")[-1]: weight.view for weight in chosen(layer)}
    found = {each.attribute: each for each in products(layer)}
    rows = found["pointwise_kernel"].rows(layer, views["pointwise_kernel"], x)
    matrix = views["pointwise_kernel"].to_matrix(np.asarray(layer.pointwise_kernel))
    np.testing.assert_allclose(rows @ matrix.T, y, rtol=1e-4, atol=1e-5)
    assert found["depthwise_kernel"].outputs is None  # they go on to the pointwise kernel
    taken = found["depthwise_kernel"].rows(layer, views["depthwise_kernel"], x)
    assert taken.shape == (*y.shape[:-1], 4, 3**rank)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_rows_of_convolutional_recurrent_cells(rank, padding):
    make = (L.ConvLSTM1D, L.ConvLSTM2D, L.ConvLSTM3D)[rank - 1]
    layer = make(2, 3, strides=2, padding=padding)
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 1, *[5] * rank, 4)).astype("float32")
    state = random.normal(size=layer(x).shape).astype("float32")
    cell = layer.cell
    views = {weight.path.split("/")[-1]: weight.view for weight in chosen(layer)}
    for product, given, convolve in zip(
        products(cell),
        (x[:, 0], state),
        (lambda x, w: cell.input_conv(x, w, padding=padding), cell.recurrent_conv),
        strict=True,
    ):
        kernel, view = getattr(cell, product.attribute), views[product.attribute]
        rows = product.rows(cell, view, product.argument((given, [given])))
        y = np.asarray(convolve(given, kernel))
        found = rows @ view.to_matrix(np.asarray(kernel)).T
        np.testing.assert_allclose(found.reshape(y.shape), y, rtol=1e-4, atol=1e-5)


def chosen(layer):
    return select(layer, rules={"*": {}}).chosen


def test_channels_first():
    last = L.Conv2D(6, 3, padding="same")
    first = L.Conv2D(6, 3, padding="same", data_format="channels_first")
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    last.build(x.shape)
    first.build((2, 4, 5, 6))
    (weight,) = select(last).chosen
    pairs = (last, x), (first, np.moveaxis(x, -1, 1))
    for name in ("rows", "outputs"):
        of = [getattr(products(la)[0], name)(la, weight.view, each) for la, each in pairs]
        np.testing.assert_array_equal(*of)


def test_layers_of_other_types_have_none():
    layer = keras.layers.LayerNormalization()
    layer.build((3, 4))
    assert products(layer) == []
