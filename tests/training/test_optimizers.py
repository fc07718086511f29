"""Which steps of a `fit` count: those of any optimizer of the model, or else its batches."""

import keras
import numpy as np
import pytest

from bcq_tf import BCQCallback
from bcq_tf._keras import sync_variables
from bcq_tf.training.optimizers import StepCounter, optimizers_of
from bcq_tf.training.quantizer import ModelQuantizer
from tests.backends import only_on
from tests.small_models import batches, compiled_mlp

RULES = {"*kernel": {}}


class Stepping(keras.Model):
    """A model whose train_step calls `step(model)` and moves no weight."""

    def __init__(self, step, optimizer="sgd", **compile_options):
        super().__init__()
        self.dense, self.step = keras.layers.Dense(4), step
        self.dense.build((None, 32))
        self.built = True
        self.others = []
        self.compile(optimizer, "mse", **compile_options)

    def call(self, x):
        return self.dense(x)

    def train_step(self, *arguments):
        if keras.backend.backend() == "jax":
            state, _ = arguments
            return {"loss": 0.0}, state
        self.step(self)
        return {"loss": keras.ops.mean(self.dense.bias)}


def apply(optimizer, model):
    zeros = [keras.ops.zeros_like(v) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)


def with_others(model, *optimizers):
    """The model, with optimizers of its own that are built."""
    model.others = list(optimizers)
    for each in optimizers:
        each.build(model.trainable_variables)
    return model


def sgd(**options):
    return keras.optimizers.SGD(0.05, **options)


def counted(model, known=4):
    """The count after each execution of a `fit` of one epoch, of so many batches as is known."""
    counter, counts = StepCounter(model), []

    def end(batch, logs):
        sync_variables(model)
        counts.append(counter.end(batch, known))

    watch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: counter.begin(batch), on_train_batch_end=end
    )
    model.fit(batches(), verbose=0, callbacks=[watch])
    return counts


CASES = {
    "nothing that is known": (lambda: Stepping(lambda m: None), [1, 2, 3, 4]),
    "no optimizer": (lambda: Stepping(lambda m: None, None), [1, 2, 3, 4]),
    "its own, the compiled one unused": (
        lambda: with_others(Stepping(lambda m: apply(m.others[0], m)), sgd()),
        [1, 2, 3, 4],
    ),
    "its own, accumulating": (
        lambda: with_others(
            Stepping(lambda m: apply(m.others[0], m)), sgd(gradient_accumulation_steps=2)
        ),
        [0, 1, 1, 2],
    ),
    "the compiled one, accumulating": (
        lambda: with_others(
            Stepping(lambda m: apply(m.optimizer, m), sgd(gradient_accumulation_steps=2))
        ),
        [0, 1, 1, 2],
    ),
    "two of its own, one twice": (
        lambda: with_others(
            Stepping(lambda m: [apply(m.others[i], m) for i in (0, 0, 1)]), sgd(), sgd()
        ),
        [2, 4, 6, 8],
    ),
    "the compiled one twice": (
        lambda: Stepping(lambda m: [apply(m.optimizer, m) for _ in range(2)], sgd()),
        [2, 4, 6, 8],
    ),
}


@only_on("tensorflow")
@pytest.mark.parametrize(
    "name", [*CASES, pytest.param("two of its own, one twice", marks=pytest.mark.graphs)]
)
def test_what_steps_is_counted(name):
    make, expected = CASES[name]
    assert counted(make()) == expected


@only_on("tensorflow")
def test_the_compiled_optimizer_may_step_rarely():
    def step(model):
        if model.others:  # stands for an optimizer that no attribute holds
            return
        apply(model.optimizer, model)

    model = Stepping(step, sgd(), run_eagerly=True)
    switch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: setattr(model, "others", [] if batch == 2 else [0])
    )
    counter = StepCounter(model)
    counts = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: counter.end(batch, 4)
    )
    model.fit(batches(), verbose=0, callbacks=[switch, counts])
    assert counter.count == 4


@pytest.mark.parametrize(("known", "expected"), [(4, [3, 4]), (None, [3, 6])])
def test_batches_of_one_execution(known, expected):
    model = Stepping(lambda m: None, steps_per_execution=3)
    assert counted(model, known=known) == expected


@only_on("tensorflow")
def test_a_second_fit_goes_on_from_where_its_optimizers_stand():
    model = with_others(Stepping(lambda m: apply(m.others[0], m)), sgd())
    assert counted(model) == [1, 2, 3, 4]
    assert counted(model) == [5, 6, 7, 8]


def test_optimizers_are_found_once_wherever_they_stand():
    model, first, second = compiled_mlp(), sgd(), keras.optimizers.Adam()
    model.first, model.again, model.by_name = first, [first], {"second": second}
    model.layers[1].its_own = third = sgd()
    scaled = keras.optimizers.LossScaleOptimizer(first)
    found = optimizers_of(model)
    assert {id(o) for o in found} == {id(o) for o in (model.optimizer, first, second, third)}
    assert len(found) == 4
    model.scaled = scaled
    assert {id(o) for o in optimizers_of(model)} == {
        id(o) for o in (model.optimizer, scaled, second, third)
    }


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("where", ["attribute", "unknown"])
def test_solves_and_schedules_go_by_these_steps(monkeypatch, latent, where):
    if latent and keras.backend.backend() == "jax":
        pytest.skip("a step on JAX must compute its loss as Keras does")
    solve, solves = ModelQuantizer.solve, []

    def spy(self, *arguments):
        solves.append(sorted(w.config.bits for w in self.plan.chosen))
        solve(self, *arguments)

    monkeypatch.setattr(ModelQuantizer, "solve", spy)
    own = {"attribute": lambda m: apply(m.others[0], m), "unknown": lambda m: None}[where]
    model = with_others(Stepping(own), sgd())
    callback = BCQCallback(
        bits=1, rules=RULES, every_n_steps=1, schedule={6: 2}, latent=latent, monitor="loss"
    )
    model.fit(batches(), epochs=3, verbose=0, callbacks=[callback])
    if not latent:  # that also solves when a phase begins and before an epoch ends
        assert solves == [[2]] * 5 + [[1]] * 7
    assert solves.index([1]) >= 5
    assert callback.report is not None
    assert np.unique(np.asarray(model.dense.kernel)[:, 0]).size == 2
