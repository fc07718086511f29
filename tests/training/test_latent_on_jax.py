"""Latent training on JAX alone: own train steps, what else layers keep."""

import keras
import numpy as np
import pytest

from tests.backends import only_on
from tests.small_models import compiled_mlp, mlp, regression_data

from .test_latent import OPTIMIZERS, assert_same_weights, attach, fit_and_by_hand

pytestmark = only_on("jax")


class OwnTrainStep(keras.Model):
    """A subclassed model whose train_step takes the loss as Keras does, or by itself."""

    def __init__(self, computes: bool):
        super().__init__()
        self.net = mlp()
        self.computes = computes

    def call(self, x):
        return self.net(x)

    def train_step(self, state, data):
        import jax

        trainable, non_trainable, slots, metrics = state
        x, y = data
        if self.computes:
            compute = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
            (loss, _), slopes = compute(
                trainable, non_trainable, metrics, x, y, None, True, optimizer_variables=slots
            )
        else:

            def compute(values):
                return keras.ops.mean((y - self.stateless_call(values, non_trainable, x)[0]) ** 2)

            loss, slopes = jax.value_and_grad(compute)(trainable)
        trainable, slots = self.optimizer.stateless_apply(slots, slopes, trainable)
        return {"loss": loss}, (trainable, non_trainable, slots, metrics)


def own_model(computes: bool):
    model = OwnTrainStep(computes)
    model(np.zeros((1, 32), "float32"))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    return model


def test_own_train_step_that_computes_the_loss_as_keras_does():
    assert_same_weights(*fit_and_by_hand(OPTIMIZERS["sgd"], fit_model=own_model(computes=True)))


def test_own_train_step_that_takes_the_loss_by_itself_is_refused():
    with pytest.raises(ValueError, match=r"train_step that calls compute_loss.*OwnTrainStep"):
        fit_and_by_hand(OPTIMIZERS["sgd"], fit_model=own_model(computes=False))


def test_averages_and_random_state_of_layers_move_on():
    x, y = regression_data()
    norm, dropout = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)
    layers = [keras.Input((32,)), keras.layers.Dense(32), norm, dropout, keras.layers.Dense(4)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.05), "mse")
    seeds = np.asarray(dropout.seed_generator.state)
    training, _, announce = attach(model)
    model.fit(x, y, 16, verbose=0, callbacks=[announce])
    training.remove()
    assert not np.allclose(np.asarray(norm.moving_mean), 0)
    assert not np.array_equal(np.asarray(dropout.seed_generator.state), seeds)


def test_new_scales_compile_nothing_anew():
    x, y = regression_data()
    model, traced = compiled_mlp(), []
    compute = model.compute_loss_and_updates
    model.compute_loss_and_updates = lambda *a, **k: (traced.append(1), compute(*a, **k))[1]
    training, quantizer, announce = attach(model)
    for _ in range(2):
        model.fit(x, y, 16, verbose=0, callbacks=[announce])
        training.set_codes(quantizer.codes)
    training.remove()
    assert len(traced) == 1
