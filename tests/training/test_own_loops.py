"""Loops of one's own around BCQCallback: what `fit` does, step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf import BCQCallback
from tests.backends import only_on
from tests.small_models import compiled_mlp, mlp, regression_data

from .test_callback import BATCH, RULES, fit

X, Y = regression_data()  # 4 batches


def on_a_batch(model, rows):
    model.train_on_batch(X[rows], Y[rows])


def by_hand(model, rows):
    """A step of GradientTape, which the model's train function has no part in."""
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(keras.ops.square(model(X[rows], training=True) - Y[rows]))
    model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)


def loop(model, callback, step, epochs=2, told=True, told_of_validation=True):
    callbacks = keras.callbacks.CallbackList([callback], model=model)
    callbacks.on_train_begin()
    for epoch in range(epochs):
        callbacks.on_epoch_begin(epoch)
        for i in range(len(X) // BATCH):
            if told:
                callbacks.on_train_batch_begin(i)
            step(model, slice(BATCH * i, BATCH * (i + 1)))
            callbacks.on_train_batch_end(i)
        if told_of_validation:
            callbacks.on_test_begin()
        loss = float(np.mean((keras.ops.convert_to_numpy(model(X)) - Y) ** 2))
        if told_of_validation:
            callbacks.on_test_end()
        callbacks.on_epoch_end(epoch, {"val_loss": loss})
    callbacks.on_train_end()


def make_callback(way):
    keras.utils.set_random_seed(1)  # of the teacher
    teacher = {"teacher": mlp()} if "teacher" in way else {}
    return BCQCallback(bits=2, rules=RULES, latent="latent" in way, every_n_steps=3, **teacher)


@pytest.mark.parametrize("way", ["projection", "latent", "latent, teacher"])
def test_train_on_batch_gives_what_fit_gives(way):
    keras.utils.set_random_seed(0)
    one, other = compiled_mlp(), compiled_mlp()
    other.set_weights(one.get_weights())
    fit(one, [make_callback(way)], validation_data=(X, Y))
    loop(other, make_callback(way), on_a_batch)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@only_on("tensorflow")
def test_projection_does_with_any_step():
    keras.utils.set_random_seed(0)
    one, other = compiled_mlp(), compiled_mlp()
    other.set_weights(one.get_weights())
    loop(one, make_callback("projection"), by_hand)
    loop(other, make_callback("projection"), on_a_batch)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@only_on("tensorflow")
@pytest.mark.parametrize("way", ["latent", "teacher"])
def test_a_step_that_would_train_floats_is_refused(way):
    with pytest.raises(RuntimeError, match="`latent` and `teacher` need steps .* `train_function`"):
        loop(compiled_mlp(), make_callback(way), by_hand)


@pytest.mark.parametrize("way", ["latent", "teacher"])
def test_a_step_that_the_callback_was_not_told_of_is_refused(way):
    with pytest.raises(RuntimeError, match="between `on_train_batch_begin` and"):
        loop(compiled_mlp(), make_callback(way), on_a_batch, told=False)


@pytest.mark.parametrize("way", ["latent", "projection"])
def test_a_validation_that_the_callback_was_not_told_of_is_warned_of(way):
    with pytest.warns(UserWarning, match="'val_loss' was computed before .* `on_test_begin`"):
        loop(compiled_mlp(), make_callback(way), on_a_batch, told_of_validation=False)
