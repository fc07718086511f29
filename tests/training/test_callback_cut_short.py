"""BCQCallback where training ends in NaN, or in an error: what the model and the file hold then."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf import BCQCallback
from tests.small_models import batches, compiled_mlp, mlp, regression_data

from .test_callback import BATCH, RULES, fit, is_quantized

NAN_IN = 2  # the epoch in which training goes wrong
pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")


class GoesWrong(keras.callbacks.Callback):
    """Makes the learning rate NaN, in one epoch."""

    def __init__(self, epoch=NAN_IN):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = np.nan if epoch == self.epoch else 0.05


class EndsItself(keras.callbacks.Callback):
    """Ends training after an epoch whose loss is NaN."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = bool(np.isnan(logs["loss"]))


class StartsAgain(keras.callbacks.Callback):
    """Gives the model its first weights back after an epoch whose loss is NaN."""

    def on_train_begin(self, logs=None):
        self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs=None):
        if np.isnan(logs["loss"]):
            self.model.set_weights(self.weights)


def assert_holds_best(model, callback, path=None):
    """Whether a model has the weights of the best epoch, and its own train step."""
    value = model.evaluate(batches(seed=2), verbose=0)
    assert value == pytest.approx(callback.best, rel=1e-5)
    assert is_quantized(model, 3)
    assert not {"train_step", "evaluate", "compute_loss_and_updates"} & set(vars(model))
    assert "apply" not in vars(model.optimizer)
    if path is not None:
        fresh = mlp()
        bcq_tf.load_weights(fresh, path)
        for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


ENDINGS = {
    "TerminateOnNaN": keras.callbacks.TerminateOnNaN,
    "EarlyStopping": lambda: keras.callbacks.EarlyStopping(
        patience=2, restore_best_weights=True, verbose=0
    ),
    "its own": EndsItself,
}


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_a_callback_that_ends_training_in_nan_leaves_the_best_epoch(latent, name, tmp_path):
    path = tmp_path / "best.bcq.npy" if name == "its own" else None
    model = compiled_mlp()
    callback = BCQCallback(path, rules=RULES, latent=latent, every_n_steps=3)
    callbacks = [GoesWrong(), ENDINGS[name](), callback]
    if name == "EarlyStopping":  # which waits
        with pytest.warns(UserWarning, match=r"NaN.*\(weight 'hidden/kernel'\): epoch 3 is not"):
            logs = fit(model, callbacks, epochs=6).history
        assert len(logs["loss"]) == 4
    else:
        logs = fit(model, callbacks, epochs=6).history
        assert len(logs["loss"]) == 3
    assert np.isnan(logs["bcq_error"][NAN_IN])
    assert np.isnan(logs["val_loss"][NAN_IN])
    assert callback.best == min(logs["val_loss"][:NAN_IN])
    assert_holds_best(model, callback, path)


@pytest.mark.parametrize(("latent", "every_n_steps"), [(False, 1), (True, 1000)])
def test_without_one_the_weight_is_named_and_the_best_epoch_is_there(latent, every_n_steps):
    model = compiled_mlp()
    callback = BCQCallback(rules=RULES, latent=latent, every_n_steps=every_n_steps)
    with pytest.raises(ValueError, match=r"NaN.*\(weight 'hidden/kernel'\)"):
        fit(model, [GoesWrong(), callback], epochs=4)
    assert_holds_best(model, callback)
    untouched = compiled_mlp()
    model.optimizer.learning_rate = 0.05
    untouched.set_weights(model.get_weights())
    for each in (model, untouched):
        fit(each, [], epochs=1)
    for a, b in zip(model.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("latent", [False, True])
def test_training_goes_on_where_a_callback_puts_good_weights_in_place(latent):
    model = compiled_mlp()
    callback = BCQCallback(rules=RULES, latent=latent, every_n_steps=3)
    logs = fit(model, [GoesWrong(epoch=0), StartsAgain(), callback], epochs=3).history
    assert np.isnan(logs["val_loss"][0])
    assert callback.best == min(logs["val_loss"][1:])
    assert_holds_best(model, callback)


@pytest.mark.parametrize("latent", [False, True])
def test_where_no_epoch_was_good_training_ends_as_in_keras(latent, tmp_path):
    model = compiled_mlp()
    callback = BCQCallback(tmp_path / "m.bcq.npy", rules=RULES, latent=latent)
    with pytest.warns(UserWarning, match="NaN.*: no epoch was kept"):
        fit(model, [GoesWrong(epoch=0), keras.callbacks.TerminateOnNaN(), callback])
    assert callback.report is None
    assert not list(tmp_path.iterdir())


def test_a_metric_that_is_a_number_in_spite_of_nan_rates_no_epoch():
    x, y = regression_data()
    labels = y.argmax(1)
    model = mlp()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    callback = BCQCallback(rules=RULES, monitor="val_accuracy")
    callbacks = [GoesWrong(1), keras.callbacks.TerminateOnNaN(), callback]
    logs = model.fit(
        x, labels, BATCH, 3, 0, callbacks, validation_data=(x, np.zeros_like(labels))
    ).history
    assert logs["val_accuracy"][1] == 1  # NaN has its largest entry at 0
    assert callback.best == logs["val_accuracy"][0]


@pytest.mark.parametrize("latent", [False, True])
def test_a_phase_that_begins_in_nan(latent):
    model = compiled_mlp()
    schedule = {6: 4} if latent else {6: None}
    callback = BCQCallback(rules=RULES, latent=latent, schedule=schedule)
    with pytest.warns(UserWarning, match="NaN.*: no epoch was kept"):
        fit(model, [GoesWrong(1), keras.callbacks.TerminateOnNaN(), callback], epochs=4)


def test_a_model_that_holds_nan_is_refused():
    model = compiled_mlp()
    model.get_layer("output").kernel.assign(np.full((40, 4), np.nan))
    with pytest.raises(ValueError, match=r"NaN.*\(weight 'output/kernel'\)"):
        fit(model, [BCQCallback(rules=RULES, latent=True)])


def test_a_monitor_that_is_never_a_number_is_told():
    model = compiled_mlp()
    x, y = regression_data(seed=2)
    callback = BCQCallback(rules=RULES)
    with pytest.warns(UserWarning, match="`monitor` 'val_loss' was NaN or Inf, so the last epoch"):
        fit(model, [callback], validation_data=(x, np.full_like(y, np.nan)))
    assert is_quantized(model, 3)


class Raises(keras.callbacks.Callback):
    """Raises in the second batch of a validation."""

    def on_test_batch_end(self, batch, logs=None):
        if batch == 1:
            raise KeyboardInterrupt("cut short")


def raising():
    """Batches, the fourth of which is an error; Keras looks at the first before a validation."""
    x, y = regression_data(seed=2)
    for _ in range(3):
        yield x[:BATCH], y[:BATCH]
    raise ValueError("cut short")


@pytest.mark.parametrize("callbacks", [(), (Raises,)], ids=["data", "Ctrl-C"])
def test_a_validation_that_is_cut_short_leaves_the_float_weights(callbacks):
    model, seen = compiled_mlp(), []

    def look(batch, logs):
        if hasattr(model, "jax_state_sync"):
            model.jax_state_sync()
        seen.append(model.get_weights())

    watch = keras.callbacks.LambdaCallback(on_train_batch_end=look)
    ours = BCQCallback(rules=RULES, latent=True, every_n_steps=1)
    data = {} if callbacks else {"validation_data": raising(), "validation_steps": 5}
    with pytest.raises((KeyboardInterrupt, Exception), match="cut short"):
        fit(model, [watch, ours, *(make() for make in callbacks)], **data)
    for a, b in zip(model.get_weights(), seen[-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not is_quantized(model, 3)
    assert not {"train_step", "evaluate", "compute_loss_and_updates"} & set(vars(model))
