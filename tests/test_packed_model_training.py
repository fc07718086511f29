"""Packed models in `fit`: their scales may train, their codes never do."""

import keras
import numpy as np
import pytest

import bcq_tf
from tests.models import mlp
from tests.packed_models import VECTORS, quantized


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


def test_scales_train_and_codes_do_not(path, tmp_path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path, trainable_scales=True)
    tiles = model.get_layer("hidden").kernel_tiles.numpy()
    scales = model.get_layer("hidden").kernel_scales.numpy()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    losses = model.fit(VECTORS, np.ones((5, 4)), epochs=30, verbose=0).history["loss"]
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
