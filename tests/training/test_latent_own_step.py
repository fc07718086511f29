"""Straight-through training in own train steps, whatever applies which optimizer in them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.backends import only_on
from tests.small_models import batches, mlp, regression_data

from .test_latent import (
    BATCH,
    FEW,
    OPTIMIZERS,
    assert_same_weights,
    attach,
    by_codes,
    fit_and_by_hand,
    within_range,
)

pytestmark = only_on("tensorflow")


class OwnStep(keras.Model):
    """A model whose train_step calls `apply(model, gradients)`."""

    def __init__(self, apply):
        super().__init__()
        self.net = mlp()
        self.apply = apply

    def call(self, x):
        return self.net(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.mean_squared_error(y, self(x)))
        self.apply(self, tape.gradient(loss, self.trainable_variables))
        return {"loss": loss}


def own_model(apply, **compile_options):
    model = OwnStep(apply)
    model(np.zeros((1, 32), "float32"))
    model.compile(OPTIMIZERS["sgd"](), **compile_options)
    model.optimizer.build(model.trainable_variables)
    model.own, model.first = OPTIMIZERS["sgd"](), OPTIMIZERS["sgd"]()
    model.own.build(model.trainable_variables)
    model.first.build(model.trainable_variables[:2])
    model.several = {"first": model.first}
    model.step = tf.Variable(0)
    model.function = tf.function(lambda *gradients: by_the_models(model, gradients))
    return model


def by_the_models(model, gradients):
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))


def without_naming_variables(model, gradients):
    model.optimizer.apply(gradients)


def by_its_own(model, gradients):
    model.own.apply(gradients, model.trainable_variables)


def by_its_own_before_the_models(model, gradients):
    model.several["first"].apply(gradients[:2], model.trainable_variables[:2])
    model.optimizer.apply(gradients[2:], model.trainable_variables[2:])


def by_its_own_after_the_models(model, gradients):
    model.optimizer.apply(gradients[2:], model.trainable_variables[2:])
    model.several["first"].apply(gradients[:2], model.trainable_variables[:2])


def twice(model, gradients):
    by_the_models(model, gradients)
    by_the_models(model, gradients)


def twice_in_a_function_traced_once(model, gradients):
    model.function(*gradients)
    model.function(*gradients)


def in_a_branch_of_every_other_step(model, gradients):
    tf.cond(model.step % 2 == 0, lambda: model.function(*gradients), lambda: None)
    model.step.assign_add(1)


def in_either_branch(model, gradients):
    apply = lambda: by_the_models(model, gradients)  # noqa: E731
    tf.cond(model.step % 2 == 0, apply, apply)
    model.step.assign_add(1)


@pytest.mark.parametrize(
    ("apply", "applies"),
    [
        (by_the_models, lambda step: 1),
        (without_naming_variables, lambda step: 1),
        (by_its_own, lambda step: 1),
        (by_its_own_before_the_models, lambda step: 1),
        (by_its_own_after_the_models, lambda step: 1),
        (twice, lambda step: 2),
        pytest.param(twice_in_a_function_traced_once, lambda step: 2, marks=pytest.mark.graphs),
        pytest.param(
            in_a_branch_of_every_other_step, lambda step: 1 - step % 2, marks=pytest.mark.graphs
        ),
        pytest.param(in_either_branch, lambda step: 1, marks=pytest.mark.graphs),
    ],
    ids=lambda value: value.__name__,
)
def test_whatever_applies_an_optimizer_moves_the_latent_weights(apply, applies):
    model = own_model(apply)
    found = fit_and_by_hand(OPTIMIZERS["sgd"], steps=FEW, fit_model=model, applies=applies)
    assert_same_weights(*found)


@pytest.mark.graphs
def test_a_function_that_was_traced_in_latent_training_trains_plainly_afterwards():
    model, untouched = (own_model(twice_in_a_function_traced_once) for _ in range(2))
    training, _, announce = attach(model)
    model.fit(batches(), verbose=0, callbacks=[announce])
    training.remove()
    untouched.set_weights(model.get_weights())
    untouched.optimizer.set_weights([np.asarray(v) for v in model.optimizer.variables])
    for each in (model, untouched):
        each.fit(batches(), shuffle=False, verbose=0)
    assert_same_weights(model, untouched, rtol=0, atol=0)


def applied_in_a_good_step(model, gradients):
    by_the_models(model, [tf.debugging.check_numerics(g, "bad step") for g in gradients])


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.graphs
def test_a_step_that_ends_in_an_error_leaves_the_latent_weights(eager):
    x, y = regression_data()
    model, reference = (own_model(applied_in_a_good_step, run_eagerly=eager) for _ in range(2))
    reference.set_weights(model.get_weights())
    bad = x.copy()
    bad[2 * BATCH] = np.nan
    for each, data in ((model, bad), (reference, x[: 2 * BATCH])):
        _, quantizer, announce = attach(each)
        options = {"shuffle": False, "verbose": 0, "callbacks": [announce]}
        if each is model:
            with pytest.raises(tf.errors.InvalidArgumentError, match="bad step"):
                each.fit(data, y, BATCH, **options)
        else:
            each.fit(data, y[: 2 * BATCH], BATCH, **options)
        quantizer.put_values(by_codes(quantizer, within_range))  # the step may have come as far
    assert_same_weights(model, reference, rtol=1e-6, atol=1e-6)
    assert "train_step" not in vars(model)
    assert "apply" not in vars(model.optimizer)
