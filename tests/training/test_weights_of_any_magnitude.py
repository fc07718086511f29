"""Weights that float16 scales cannot hold, on their whole way: training, file, packed, exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.export.saved_model import export_saved_model
from bcq_tf.ops import portable_ops
from bcq_tf.solvers import relative_error
from tests.backends import only_on

X, Y = np.random.default_rng(0).integers(0, 40, (16, 3)), np.zeros((16, 64), np.float32)
SIZES = {"table": 1e-8, "huge": 1e6, "plain": 1.0}  # of the weights of `model`


def model() -> keras.Model:
    """Three weights, one of them far below float16's range and one far above."""
    layers = [
        keras.layers.Embedding(40, 32, name="table"),
        keras.layers.Dense(64, use_bias=False, name="huge"),
        keras.layers.Dense(64, use_bias=False, name="plain"),
    ]
    made = keras.Sequential([keras.Input((3,), dtype="int32"), *layers])
    rng = np.random.default_rng(1)
    for layer, size in zip(layers, SIZES.values(), strict=True):
        (variable,) = layer.weights
        variable.assign(size * rng.normal(size=variable.shape))
    return made


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """(path of the file, the model with the codes' values, what it answers)."""
    path, float_model = tmp_path_factory.mktemp("sizes") / "a.bcq.npy", model()
    before = [np.array(variable) for variable in float_model.weights]
    report = bcq_tf.quantize_model(float_model, 3, filepath=path)
    for variable, value in zip(float_model.weights, before, strict=True):
        matrix = value if "table" in variable.path else value.T
        found = np.array(variable) if "table" in variable.path else np.array(variable).T
        assert np.sum((matrix - found) ** 2) < 0.05 * np.sum(matrix**2)
        codes = report.codes[variable.path]
        dtype = "float16" if "plain" in variable.path else "float32"
        assert {scale.dtype.name for scale in codes.scales} == {dtype}
        assert relative_error(matrix, codes) < 0.05
    return path, float_model, np.array(float_model(X))


def test_the_file_gives_the_same_model(quantized):
    path, float_model, expected = quantized
    loaded = model()
    bcq_tf.load_weights(loaded, path)
    np.testing.assert_array_equal(loaded(X), expected)
    names = [weight.scales[0].dtype.name for weight in bcq_tf.read(path).values()]
    assert names == ["float32", "float32", "float16"]
    del float_model


@only_on("tensorflow")
def test_the_packed_model_answers_alike_however_it_is_kept(quantized, tmp_path):
    path, _, expected = quantized
    packed = bcq_tf.load_model(path)
    close = {"rtol": 1e-4, "atol": 1e-5 * np.abs(expected).max()}
    np.testing.assert_allclose(packed(X), expected, **close)
    with portable_ops():
        np.testing.assert_allclose(packed(X), expected, **close)
    packed.save(tmp_path / "a.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "a.keras")(X), expected, **close)
    export_saved_model(packed, tmp_path / "saved")
    served = tf.saved_model.load(tmp_path / "saved")
    (answer,) = served.signatures["serving_default"](tf.constant(X, tf.int32)).values()
    np.testing.assert_allclose(np.reshape(answer, expected.shape), expected, **close)
    bcq_tf.unpack_model(packed)
    np.testing.assert_allclose(packed(X), expected, **close)


class Writes(keras.callbacks.Callback):
    """Multiplies the first kernel after a batch, as a user's callback may."""

    def __init__(self, factor: float, batch: int):
        super().__init__()
        self.factor, self.batch = factor, batch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            kernel = self.model.layers[0].kernel
            kernel.assign(kernel * self.factor)


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize(("bits", "factor"), [(1, 1e6), (3, 30.0), (3, 1e-6)])
def test_weights_that_are_written_while_it_trains_stay(bits, factor, latent):
    kernel = np.random.default_rng(2).normal(size=(32, 40)).astype(np.float32)
    trained = keras.Sequential([keras.Input((32,)), keras.layers.Dense(40, use_bias=False)])
    trained.layers[0].kernel.assign(kernel)
    trained.compile(keras.optimizers.SGD(1e-30), "mse")
    callback = bcq_tf.BCQCallback(None, bits, latent=latent, every_n_steps=3, monitor="loss")
    x = np.random.default_rng(3).normal(size=(20, 32))
    history = trained.fit(
        x, x @ kernel, batch_size=2, verbose=0, callbacks=[Writes(factor, 4), callback]
    )
    found = np.array(trained.layers[0].kernel)
    error = np.sum((found - factor * kernel) ** 2) / np.sum((factor * kernel) ** 2)
    assert error < {1: 0.5, 3: 0.05}[bits]
    if latent:  # in projection the weights were those of codes before, which have no error left
        assert 0.5 * error < history.history["bcq_error"][0] < 2 * error


@pytest.mark.parametrize("scale_dtype", ["auto", "float16", "float32"])
def test_the_dtype_of_scales_can_be_asked_for(scale_dtype, tmp_path):
    trained = keras.Sequential([keras.Input((32,)), keras.layers.Dense(40)])
    trained.compile("sgd", "mse")
    path = tmp_path / "a.bcq.npy"
    callback = bcq_tf.BCQCallback(path, 2, scale_dtype=scale_dtype, monitor="loss")
    trained.fit(np.ones((4, 32)), np.ones((4, 40)), verbose=0, callbacks=[callback])
    (codes,) = callback.report.codes.values()
    assert codes.scales[0].dtype == ("float32" if scale_dtype == "float32" else "float16")
    assert bcq_tf.read(path).metadata["config"]["scale_dtype"] == scale_dtype
    report = bcq_tf.quantize_model(trained, 2, scale_dtype=scale_dtype)
    (codes,) = report.codes.values()
    assert codes.scales[0].dtype == ("float32" if scale_dtype == "float32" else "float16")


@pytest.mark.parametrize("latent", [False, True])
def test_a_dead_branch_does_not_end_a_long_fit(latent):
    trained = keras.Sequential([keras.Input((32,)), keras.layers.Dense(40, use_bias=False)])
    trained.layers[0].kernel.assign(np.full((32, 40), 9e-7))
    trained.compile(keras.optimizers.Adam(1e-3), "mse")
    x = np.random.default_rng(3).normal(size=(64, 32))
    y = x @ np.random.default_rng(4).normal(size=(32, 40))
    callback = bcq_tf.BCQCallback(None, 2, latent=latent, every_n_steps=2, monitor="loss")
    history = trained.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[callback])
    assert history.history["loss"][-1] < 0.99 * history.history["loss"][0]
    assert np.abs(trained.layers[0].kernel).mean() > 1e-3  # and it can come to life
