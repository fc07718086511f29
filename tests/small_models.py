"""Small models and data that several tests train."""

import functools

import keras
import numpy as np
import tensorflow as tf


def regression_data(rows: int = 64, inputs: int = 32, outputs: int = 4, seed: int = 1):
    """(x [rows, inputs], y [rows, outputs]) of a noisy linear map."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs)).astype("float32")
    y = np.tanh(x @ rng.normal(size=(inputs, outputs)) / 4).astype("float32")
    return x, y


@functools.cache
def batches(seed: int = 1, size: int = 16) -> tf.data.Dataset:
    """`regression_data(seed=seed)` in batches, made once: Keras takes long to make them."""
    return tf.data.Dataset.from_tensor_slices(regression_data(seed=seed)).batch(size)


def losses_of_steps(model, x, y, steps: int) -> list[float]:
    """The loss of each of so many steps on one batch; `fit` takes longer for an epoch of one."""
    losses = []
    for _ in range(steps):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def mlp(inputs: int = 32, hidden: int = 40, outputs: int = 4) -> keras.Model:
    """A functional model with two kernels [32, 40], [40, 4] and their biases."""
    x = keras.Input((inputs,))
    h = keras.layers.Dense(hidden, activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(outputs, name="output")(h))


def compiled_mlp(optimizer=None, **compile_options) -> keras.Model:
    """`mlp()` with a mean squared error loss; SGD of learning rate .05 by default."""
    model = mlp()
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", **compile_options)
    return model
