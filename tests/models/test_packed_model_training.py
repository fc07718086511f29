"""Packed models in `fit`: their scales may train, their codes never do."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.embeddings import additive_codes
from bcq_tf.layers import CompositionalEmbedding
from tests.models.packed_models import IDS, VECTORS, quantized
from tests.small_models import losses_of_steps, mlp


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


def test_training_needs_scales_that_train(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must have trainable scales .* trainable_scales=True"):
        model.fit(VECTORS, np.zeros((5, 4)), verbose=0)
    with pytest.raises(ValueError, match="must have trainable scales"):
        model.train_on_batch(VECTORS, np.zeros((5, 4)))
    model.evaluate(VECTORS, np.zeros((5, 4)), verbose=0)


def test_a_table_that_trains_does_not_stand_in_for_products():
    matrix = np.random.default_rng(0).normal(size=(90, 48)).astype("float32")
    table = CompositionalEmbedding.from_codes(
        additive_codes(matrix, 4, 8), trainable_codebooks=True
    )
    x = keras.Input((6,), dtype="int32")
    model = keras.Model(x, keras.layers.Dense(70)(keras.layers.Flatten()(table(x))))
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 2, effort="low").codes)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must have trainable scales"):
        model.fit(IDS, np.zeros((3, 70)), verbose=0)


@pytest.mark.graphs
def test_a_float_model_trains_around_a_packed_one(path):
    inner = quantized(mlp, path)
    bcq_tf.pack_model(inner, path)
    x = keras.Input((32,))
    outer = keras.Model(x, keras.layers.Dense(3, name="head")(inner(x)))
    packed = [v for v in inner.get_layer("hidden").weights if v.name.startswith("kernel")]
    codes = [v.numpy() for v in packed]
    head = outer.get_layer("head").kernel.numpy()
    outer.compile("sgd", "mse")
    outer.fit(VECTORS, np.ones((5, 3)), verbose=0)
    assert np.any(outer.get_layer("head").kernel.numpy() != head)
    for old, new in zip(codes, packed, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.graphs
def test_scales_train_and_codes_do_not(path, tmp_path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path, trainable_scales=True)
    tiles = model.get_layer("hidden").kernel_tiles.numpy()
    scales = model.get_layer("hidden").kernel_scales.numpy()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    losses = losses_of_steps(model, VECTORS, np.ones((5, 4)), 30)
    assert losses[-1] < losses[0] / 4
    np.testing.assert_array_equal(model.get_layer("hidden").kernel_tiles, tiles)
    assert np.any(model.get_layer("hidden").kernel_scales.numpy() != scales)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(VECTORS), model(VECTORS))


def test_codes_cannot_be_made_trainable(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    model.compile("sgd", "mse")
    model.get_layer("hidden").kernel_tiles.trainable = True
    with pytest.raises(ValueError, match="codes do not train"):
        model.fit(VECTORS, np.zeros((5, 4)), verbose=0)


def test_a_packed_model_is_not_quantized_again(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    with pytest.raises(ValueError, match="must not have packed layers"):
        bcq_tf.quantize_model(model)
