"""Models of every kind that the tests of packing pack."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers import FastEmbedding
from tests.small_models import mlp

IDS = np.random.default_rng(0).integers(1, 90, (3, 6)).astype("int32")
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 40)).astype("float32")
VECTORS = np.random.default_rng(0).normal(size=(5, 32)).astype("float32")


def sequential():
    return keras.Sequential([keras.Input((32,)), L.Dense(64, "relu"), L.Dense(70)])


def attention():
    ids = keras.Input((6,), dtype="int32")
    x = L.Embedding(90, 48, mask_zero=True)(ids)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(4, 12)(x, x))
    x = L.GroupQueryAttention(16, 4, 2)(x, x)
    return keras.Model(ids, L.Dense(70)(x))


def nested():
    inner = keras.Sequential([keras.Input((32,)), L.Dense(80, "relu"), L.Dense(64)], name="inner")
    x = keras.Input((32,))
    shared = L.Dense(64, "tanh")
    return keras.Model(x, L.Dense(66)(shared(inner(x)) + shared(L.Dense(64)(inner(x)))))


def recurrent():
    ids = keras.Input((6,), dtype="int32")
    x = L.Bidirectional(L.GRU(32, return_sequences=True))(L.Embedding(90, 48)(ids))
    x = L.TimeDistributed(L.Dense(64))(x)
    return keras.Model(ids, L.Dense(70)(L.LSTM(40)(x)))


def convolutional():
    x = keras.Input((8, 8, 40))
    y = L.Conv2D(48, 3, padding="same", activation="relu")(x)
    y = L.BatchNormalization()(L.Conv2D(96, 1, strides=2)(y))
    y = L.SeparableConv2D(64, 3)(y)
    return keras.Model(x, L.Dense(70)(L.GlobalAveragePooling2D()(y)))


@keras.saving.register_keras_serializable(package="tests")
class Tied(keras.Model):
    """A subclassed model with a config; look-up and logits from one table."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = L.ReversibleEmbedding(90, 48)
        self.hidden = L.Dense(48, "gelu")

    def build(self, shape=None):
        self.table.build()
        self.hidden.build((None, None, 48))
        self.built = True

    def call(self, ids):
        return self.table(self.hidden(self.table(ids)), reverse=True)


class NoConfig(keras.Model):
    """A subclassed model without a config, which reads a table's float value itself."""

    def __init__(self, units):
        super().__init__()
        self.table = L.Embedding(90, 48)
        self.hidden = L.Dense(units)

    def call(self, ids):
        x = self.hidden(self.table(ids))
        return tf.matmul(x, self.table.embeddings, transpose_b=True)


def no_config():
    model = NoConfig(48)
    model(IDS)
    return model


def tied():
    model = Tied()
    model.build()
    return model


def fast():
    ids = keras.Input((6,), dtype="int32")
    return keras.Model(ids, L.Dense(70)(FastEmbedding(90, 48)(ids)))


MODELS = {
    "mlp": (mlp, VECTORS),
    "sequential": (sequential, VECTORS),
    "attention": (attention, IDS),
    "nested": (nested, VECTORS),
    "recurrent": (recurrent, IDS),
    "convolutional": (convolutional, IMAGES),
    "tied": (tied, IDS),
    "fast": (fast, IDS),
    "no_config": (no_config, IDS),
}


def quantized(build, path, **settings):
    """The float model of the codes' values; its file stands at `path`."""
    model = build()
    bcq_tf.quantize_model(model, effort="low", filepath=path, **settings)
    return model


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
