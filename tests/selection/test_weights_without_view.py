"""Which weights are seen as no matrix, and why; what decides of unknown and derived layers."""

import keras
import numpy as np
import pytest
from keras import layers

from bcq_tf.codes import MatrixView
from bcq_tf.selection.layer_views import NoView, view_weights

from .viewed_layers import built, matrices, random


def reasons(layer) -> dict[str, str]:
    views = zip(layer.weights, view_weights(layer), strict=True)
    return {v.name: w.reason for v, w in views if isinstance(w, NoView)}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(7), (None, 5)),
        (layers.EinsumDense("abc,cde->abde", (None, 4, 6), bias_axes="de"), (None, 3, 5)),
        (layers.Conv2D(7, 3), (None, 8, 8, 5)),
        (layers.SeparableConv1D(7, 3), (None, 8, 5)),
        (layers.GRUCell(7), (None, 5)),  # a bias of rank 2
        (layers.ConvLSTM2D(7, 3), (None, 4, 8, 8, 5)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_biases(layer, shape):
    assert reasons(built(layer, *shape)) == {"bias": "bias"}


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (layers.BatchNormalization(), 4),
        (layers.LayerNormalization(axis=(-2, -1)), 2),  # weights of rank 2
        (layers.GroupNormalization(4), 2),
        (layers.RMSNormalization(), 1),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_normalization(layer, count):
    layer.build((None, 6, 8))
    assert list(reasons(layer).values()) == ["normalization"] * count


def test_spectral_normalization_leaves_the_wrapped_kernel_seen():
    layer = layers.SpectralNormalization(layers.Dense(7))
    layer.build((None, 5))
    assert {name: m.shape for name, m in matrices(layer).items()} == {"kernel": (7, 5)}
    assert reasons(layer) == {"vector_u": "normalization", "bias": "bias"}


def test_adapted_normalization():
    layer = layers.Normalization()
    layer.adapt(random(6, 8))
    assert set(reasons(layer).values()) == {"normalization"}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(40), (None, 36)),
        (layers.EinsumDense("ab,bc->ac", 40), (None, 36)),
        (layers.Embedding(40, 36), (None,)),
        (layers.Conv1D(40, 3), (None, 9, 36)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_lora(layer, shape):
    layer.build(shape)
    layer.enable_lora(2)
    found = reasons(layer)
    assert found.pop("bias", "bias") == "bias"
    assert len(found) == 3
    assert set(found.values()) == {"its layer has LoRA enabled"}


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantized_by_keras(mode):
    layer = built(layers.Dense(8, use_bias=False), None, 16)
    layer.quantize(mode)
    found = reasons(layer)
    assert len(found) == len(layer.weights)
    assert set(found.values()) == {f"its layer is quantized by Keras ({mode})"}


def test_einsum_without_a_sum():
    layer = built(layers.EinsumDense("abc,bc->abc", (3, 5)), None, 3, 5)
    assert reasons(layer) == {"kernel": "equation 'abc,bc->abc' sums over no axis of the weight"}
    assert view_weights(layer)[0].axes_help


class Table(layers.Layer):
    """A layer that the library does not know, with one weight of each kind."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=(6, 8), name="table")
        self.vector = self.add_weight(shape=(8,), name="vector")
        self.number = self.add_weight(shape=(), name="number")
        self.ids = self.add_weight(shape=(6, 8), dtype="int32", name="ids", initializer="zeros")
        self.empty = self.add_weight(shape=(0, 8), name="empty")


def test_unknown_layers():
    layer = Table()
    layer.build((None, 8))
    assert reasons(layer) == {
        "table": "layer type Table is not known",
        "vector": "rank 1",
        "number": "rank 0",
        "ids": "dtype int32",
        "empty": "no elements, shape [0, 8]",
    }
    help_by_name = {
        v.name: w.axes_help for v, w in zip(layer.weights, view_weights(layer), strict=True)
    }
    assert [name for name, helps in help_by_name.items() if helps] == ["table"]


# Ownership


class DoublyBiased(layers.Dense):
    """A Dense layer with a second matrix of its own."""

    def build(self, input_shape):
        super().build(input_shape)
        self.second = self.add_weight(shape=(5, 7), name="second")

    def call(self, inputs):
        return super().call(inputs) + inputs @ self.second


def test_a_subclass_counts_as_its_known_type():
    layer = DoublyBiased(7)
    layer.build((None, 5))
    assert {name: m.shape for name, m in matrices(layer).items()} == {"kernel": (7, 5)}
    assert reasons(layer)["second"] == "layer type DoublyBiased is not known"


class TiedHead(keras.Model):
    """Holds a table directly and through the Embedding layer that it belongs to."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(9, 4)
        self.embedding.build()
        self.table = self.embedding.embeddings

    def call(self, ids):
        return self.embedding(ids) @ keras.ops.transpose(self.table)


def test_the_layer_of_a_known_type_decides():
    model = TiedHead()
    model(np.array([[1, 2]]))
    assert [w.matrix_shape for w in view_weights(model)] == [(9, 4)]


def test_a_name_alone_means_nothing():
    """A weight called "kernel" in a layer that is not known is not taken for one."""

    class Gate(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(64, 64), name="kernel")

    layer = Gate()
    layer.build((None, 64))
    assert reasons(layer) == {"kernel": "layer type Gate is not known"}


# KerasHub


def test_keras_hub():
    hub = pytest.importorskip("keras_hub")
    ids = keras.Input((16,), dtype="int32")
    embedding = hub.layers.TokenAndPositionEmbedding(100, 16, 64, tie_weights=False)
    hidden = hub.layers.TransformerEncoder(128, 4)(embedding(ids))
    hidden = hub.layers.TransformerDecoder(96, 4)(hidden, hidden)
    model = keras.Model(ids, embedding.token_embedding(hidden, reverse=True))
    shapes = [w.matrix_shape for w in view_weights(model) if isinstance(w, MatrixView)]
    attention = [(64, 64)] * 4
    assert shapes == [
        (100, 64), (100, 64), (16, 64),  # token table, its untied reverse, positions
        *attention, (128, 64), (64, 128),
        *attention, *attention, (96, 64), (64, 96),
    ]  # fmt: skip
    assert {w.reason for w in view_weights(model) if isinstance(w, NoView)} == {
        "bias",
        "normalization",
    }
