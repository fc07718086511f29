"""Latent training and weights that its optimizer does not move, or that something else writes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf import BCQCallback, BCQConfig
from bcq_tf.training.latent import train_latent
from bcq_tf.training.quantizer import ModelQuantizer
from tests.backends import only_on
from tests.small_models import batches, regression_data

from .test_latent import BATCH, assert_same_weights, nearest_value

RULES = {"*kernel": {}, "*codebook*": {"axes": [0]}}


class Codebook(keras.layers.Layer):
    """A table [32, 2] that each call moves towards 3, as moving averages of codebooks do."""

    def build(self, shape):
        self.codebook = self.add_weight(shape=(32, 2), name="codebook", trainable=False)

    def call(self, x, training=False):
        if training:
            self.codebook.assign(0.9 * self.codebook + 0.3)
        return x + 0 * keras.ops.mean(self.codebook)


def compiled(*layers, **compile_options):
    model = keras.Sequential([keras.Input((32,)), *layers])
    model.compile(keras.optimizers.SGD(0.05), "mse", **compile_options)
    return model


def rules_of(model):
    last = {variable.path.split("/")[-1] for variable in model.weights}
    return {pattern: rule for pattern, rule in RULES.items() if pattern.strip("*") in last}


def attached(model, bits):
    """(LatentTraining of the weights that `RULES` choose, quantizer, callback announcing steps)."""
    quantizer = ModelQuantizer(model, BCQConfig(bits), rules_of(model))
    quantizer.solve()
    training = train_latent(model, quantizer.plan.chosen, quantizer.codes)
    announce = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: training.expect_step()
    )
    return training, quantizer, announce


def fit(model, *callbacks, epochs=2, **options):
    options = {"shuffle": False, "verbose": 0} | options
    return model.fit(batches(), epochs=epochs, callbacks=list(callbacks), **options).history


# Written by a layer or a step: as without `latent`, from the first step on


class Clipped(keras.Sequential):
    """Its step keeps kernels within a range, as that of a WGAN's critic does."""

    def train_step(self, data):
        logs = super().train_step(data)
        for layer in self.layers:
            layer.kernel.assign(keras.ops.clip(layer.kernel, -0.05, 0.05))
        return logs


class Elsewhere(keras.Sequential):
    """Its step applies an optimizer that no attribute tells of."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((y - self(x)) ** 2)
        slopes = tape.gradient(loss, self.trainable_variables)
        for slope, variable in zip(slopes, self.trainable_variables, strict=True):
            variable.assign_sub(0.05 * slope)
        return {"loss": loss}


class Synchronized(keras.Sequential):
    """Its step now and then gives a frozen kernel the value of another, as a target network has."""

    def train_step(self, data):
        logs = super().train_step(data)
        first, target = self.layers
        now = self.optimizer.iterations % 3 == 0
        target.kernel.assign(keras.ops.where(now, first.kernel, target.kernel))
        return logs


def normalized():
    return compiled(keras.layers.SpectralNormalization(keras.layers.Dense(4)))


def moving_average():
    return compiled(Codebook(), keras.layers.Dense(4, trainable=False, use_bias=False))


def elsewhere():
    model = Elsewhere([keras.Input((32,)), keras.layers.Dense(4)])
    model.compile(None)
    return model


@pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(normalized, "kernel", marks=only_on("tensorflow")),  # JAX keeps no such write
        (moving_average, "codebook"),
        pytest.param(elsewhere, "kernel", marks=only_on("tensorflow")),
    ],
)
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}], ids=str)
@pytest.mark.graphs
def test_what_others_write_stays(make, name, options):
    model, plain = make(), make()
    model.run_eagerly = plain.run_eagerly = bool(options)
    training, quantizer, announce = attached(model, bits=2)
    plain.set_weights(model.get_weights())
    for weight, variable in zip(model.weights, plain.weights, strict=True):
        for chosen in quantizer.plan.chosen:
            if chosen.variable is weight and weight.path.endswith(name):
                codes = quantizer.codes[chosen.position]
                matrix = chosen.view.to_matrix(np.asarray(variable))
                variable.assign(chosen.view.from_matrix(nearest_value(matrix, codes)))
    fit(model, announce)
    fit(plain)
    assert [w.path.split("/")[-1] for w in training.written_weights()] == [name]
    training.remove()
    assert_same_weights(model, plain, rtol=1e-5, atol=1e-6)


@only_on("tensorflow")
@pytest.mark.graphs
def test_a_step_that_keeps_weights_within_a_range_does_so():
    model = Clipped([keras.Input((32,)), keras.layers.Dense(4)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    training, _, announce = attached(model, bits=2)
    losses = fit(model, announce)["loss"]
    assert len(training.written_weights()) == 1
    assert losses[1] < losses[0]
    kernel = np.asarray(model.layers[0].kernel)
    assert np.abs(kernel).max() == np.float32(0.05)
    assert len(np.unique(kernel)) > 16  # a float one


@only_on("tensorflow")
def test_a_value_that_is_written_now_and_then_is_not_added_to():
    layers = [keras.layers.Dense(32, use_bias=False), keras.layers.Dense(32, trainable=False)]
    model = Synchronized([keras.Input((32,)), *layers])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    training, _, announce = attached(model, bits=8)
    x = regression_data()[0]
    model.fit(x, x, BATCH, verbose=0, callbacks=[announce])
    first, target = (np.asarray(layer.kernel) for layer in model.layers)
    np.testing.assert_allclose(target, first, atol=0.01)
    assert [w.variable is model.layers[1].kernel for w in training.written_weights()] == [True]


@only_on("tensorflow")
def test_a_written_weight_is_projected_and_named_once():
    layers = keras.layers.SpectralNormalization(keras.layers.Dense(4)), keras.layers.Dense(4)
    model = compiled(*layers)
    ours = BCQCallback(bits=1, rules={"*kernel": {}}, latent=True, every_n_steps=3)
    with pytest.warns(UserWarning, match="`latent=True` is not for") as caught:
        history = fit(model, ours, epochs=2, validation_data=batches(seed=2))
    (told,) = [str(w.message) for w in caught if "latent" in str(w.message)]
    assert told.startswith("`latent=True` is not for the weights ['")
    assert "spectral_normalization" in told
    kernel = model.layers[0].layer.kernel
    assert len(np.unique(np.abs(np.asarray(kernel)[:, 0]))) == 1
    assert model.evaluate(batches(seed=2), verbose=0) == pytest.approx(
        min(history["val_loss"]), rel=1e-5
    )


# Not trained


@pytest.mark.parametrize("bits", [1, 8])
def test_a_frozen_weight_is_seen_quantized_and_stays(bits):
    x, y = regression_data()
    dense = keras.layers.Dense(4, trainable=False)
    model = compiled(dense)
    before = np.asarray(dense.kernel).copy()
    training, quantizer, announce = attached(model, bits)
    (weight,) = quantizer.plan.chosen
    seen = nearest_value(weight.view.to_matrix(before), quantizer.codes[weight.position])
    history = model.fit(x, y, len(x), 3, 0, [announce])
    training.remove()
    loss = np.mean((x @ seen.T - y) ** 2)
    np.testing.assert_allclose(history.history["loss"], loss, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(dense.kernel), before)


@only_on("tensorflow")  # on JAX such a weight has a gradient, of 0
def test_a_weight_without_a_gradient_stays():
    class Unused(keras.Model):
        def __init__(self):
            super().__init__()
            self.used, self.unused = keras.layers.Dense(4), keras.layers.Dense(4)
            self.unused.build((None, 32))

        def call(self, x):
            return self.used(x)

    model = Unused()
    model(np.zeros((1, 32), "float32"))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    before = np.asarray(model.unused.kernel)
    _, _, announce = attached(model, bits=1)
    fit(model, announce)
    np.testing.assert_array_equal(np.asarray(model.unused.kernel), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_not_hidden_by_its_levels(value):
    dense = keras.layers.Dense(4)
    model = compiled(dense)
    _, _, announce = attached(model, bits=2)
    kernel = np.asarray(dense.kernel).copy()
    kernel[3, 1] = value
    dense.kernel.assign(kernel)
    assert not np.isfinite(fit(model, announce, epochs=1)["loss"][0])
