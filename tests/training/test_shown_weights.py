"""What other callbacks see of a model in training, and scores that are computed in `fit`."""

import functools

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf import BCQCallback
from tests.small_models import compiled_mlp, regression_data

from .test_callback import RULES, Spy, fit, is_quantized

HELD_OUT = regression_data(seed=2)


def score(model) -> float:
    """The recipe: what a user computes of a model, here what `val_loss` must be."""
    return float(np.mean((np.asarray(model(HELD_OUT[0])) - HELD_OUT[1]) ** 2))


def is_2_bit(model) -> bool:
    return is_quantized(model, 2)


class Scores(Spy):
    """A user's callback that computes a score and puts it into the logs."""

    def __init__(self):
        super().__init__(score)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        logs["bleu"] = self.seen[-1]


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("before", [False, True], ids=["after ours", "before ours"])
def test_scores_of_an_epochs_end_are_those_of_the_quantized_model(tmp_path, latent, before):
    path = tmp_path / "m.bcq.npy"
    scores = Scores()
    callback = BCQCallback(
        path, 1, rules=RULES, latent=latent, every_n_steps=3, monitor="bleu", mode="min"
    )
    callbacks = [scores, callback] if before else [callback, scores]
    model = compiled_mlp(keras.optimizers.SGD(0.3))  # coarse: the best is not the last
    history = fit(model, callbacks, epochs=4).history
    np.testing.assert_allclose(scores.seen, history["val_loss"], rtol=1e-5)
    best = int(np.argmin(scores.seen))
    metadata = bcq_tf.read(path).metadata
    assert (metadata["epoch"], metadata["value"]) == (best, scores.seen[best])
    assert score(model) == pytest.approx(min(scores.seen), rel=1e-6)


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("freq", [None, 2], ids=["no validation", "every second epoch"])
def test_every_callback_sees_quantized_weights_at_the_end_of_every_epoch(latent, freq):
    before, after = Spy(is_2_bit), Spy(is_2_bit)
    callback = BCQCallback(bits=2, rules=RULES, latent=latent, monitor="loss")
    options = {"validation_freq": freq} if freq else {"validation_data": None}
    fit(compiled_mlp(), [before, callback, after], epochs=3, **options)
    assert before.seen == after.seen == [True] * 3


class Moments(keras.callbacks.Callback):
    """Whether the model is quantized at moments of `fit`, outside and inside contexts of ours."""

    def __init__(self, bcq):
        super().__init__()
        self.bcq, self.seen = bcq, {}

    def look(self, moment):
        with self.bcq.quantized():
            with self.bcq.training_weights():
                hidden = is_2_bit(self.model)
            quantized = is_2_bit(self.model)
        self.seen[moment] = quantized, hidden, is_2_bit(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        self.look(f"epoch {epoch} begins")

    def on_train_batch_end(self, batch, logs=None):
        self.look("batch ends")

    def on_test_end(self, logs=None):
        self.look("validation ends")

    def on_epoch_end(self, epoch, logs=None):
        self.look("epoch ends")

    def on_train_end(self, logs=None):
        self.look("training ends")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("latent", [False, True])
def test_a_context_shows_the_quantized_or_the_training_weights_at_any_moment(latent, before):
    bcq = BCQCallback(bits=2, rules=RULES, latent=latent)
    moments = Moments(bcq)
    plain, watched = compiled_mlp(), compiled_mlp()
    watched.set_weights(plain.get_weights())
    expected = fit(plain, [BCQCallback(bits=2, rules=RULES, latent=latent)]).history
    found = fit(watched, [moments, bcq] if before else [bcq, moments]).history
    assert found == expected  # looking changes nothing
    assert moments.seen["batch ends"] == (True, False, False)
    assert moments.seen["epoch 0 begins"] == (True, False, False)
    for moment in ("validation ends", "epoch ends"):
        assert moments.seen[moment] == (True, not latent, True)
    assert moments.seen["training ends"][2]


@pytest.mark.parametrize("latent", [False, True])
def test_an_error_puts_the_training_weights_back(latent):
    bcq = BCQCallback(bits=2, rules=RULES, latent=latent)

    def fail(batch, logs):
        before = bcq.model.get_weights()
        with pytest.raises(KeyboardInterrupt), bcq.quantized():
            raise KeyboardInterrupt
        for one, other in zip(before, bcq.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        raise EOFError

    model = compiled_mlp()
    ends = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(EOFError):
        fit(model, [ends, bcq])
    assert is_2_bit(model) != latent


@pytest.mark.parametrize("before", [False, True])
def test_what_another_callback_assigns_at_an_epochs_end_stays(before):
    seen = []

    def assign(epoch, logs):
        bcq.model.get_layer("hidden").kernel.assign(np.full((32, 40), 0.5))

    class Sees(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append([np.asarray(weight) for weight in self.model.weights])

    bcq = BCQCallback(rules=RULES, latent=True)
    assigns = keras.callbacks.LambdaCallback(on_epoch_end=assign)
    fit(compiled_mlp(), [assigns, bcq, Sees()] if before else [bcq, Sees(), assigns])
    hidden, _, output, _ = seen[4]  # where the second epoch begins
    assert np.all(hidden == 0.5)
    assert len(np.unique(output[:, 0])) > 8  # float


def test_a_context_outside_fit():
    bcq = BCQCallback(bits=2, rules=RULES, latent=True)
    with pytest.raises(RuntimeError, match=r"`quantized\(\)` must be called when a `fit`"):
        bcq.quantized().__enter__()
    model = compiled_mlp()
    fit(model, [bcq])
    before = model.get_weights()
    with bcq.quantized():
        assert is_2_bit(model)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


class Called:
    """A score that is an object."""

    def __call__(self, model):
        return score(model)


@pytest.mark.parametrize(
    ("monitor", "name"),
    [
        (score, "score"),
        (lambda model: score(model), "monitor"),
        (functools.partial(score), "score"),
        (Called(), "Called"),
    ],
    ids=["function", "lambda", "partial", "object"],
)
def test_a_function_is_a_log_entry_of_its_name(monitor, name):
    assert BCQCallback(monitor=monitor, mode="min").monitor == name


def test_a_function_of_the_model_rates_epochs_and_all_callbacks_see_its_entry(tmp_path):
    path = tmp_path / "{epoch}-{score:.4f}.bcq.npy"
    stops = keras.callbacks.EarlyStopping("score", patience=0, mode="min")
    callback = BCQCallback(path, 2, rules=RULES, latent=True, monitor=score, mode="min")
    model = compiled_mlp(keras.optimizers.SGD(-0.02))  # climbs
    history = fit(model, [stops, callback], epochs=4).history
    assert len(history["score"]) == 2
    np.testing.assert_allclose(history["score"], history["val_loss"], rtol=1e-5)
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"1-{history['score'][0]:.4f}.bcq.npy"
    assert bcq_tf.read(kept).metadata["monitor"] == "score"


def test_a_function_rates_without_validation_too(tmp_path):
    path = tmp_path / "m.bcq.npy"
    callback = BCQCallback(path, rules=RULES, latent=True, monitor=score, mode="min")
    model = compiled_mlp()
    history = fit(model, [callback], validation_data=None).history
    assert callback.best == min(history["score"])
    assert score(model) == pytest.approx(callback.best, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"monitor": 3}, "`monitor` must be the name .* or a function .* Received: monitor=3"),
        ({"monitor": score}, "`mode` must be 'min' or 'max' where `monitor` is a function"),
    ],
)
def test_bad_monitors(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        BCQCallback(**arguments)


def loss(model):
    return 1.0


def nothing(model):
    return None


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        (loss, "`monitor` must be a function whose name is no entry of the logs .* 'loss'"),
        (nothing, "must be a function .* returns a number. Received: 'nothing', .* NoneType"),
    ],
)
def test_a_function_that_rates_nothing(monitor, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit(compiled_mlp(), [BCQCallback(rules=RULES, monitor=monitor, mode="max")])


def test_an_entry_of_some_epochs_rates_those():
    def score_first_and_last(epoch, logs):
        if epoch != 1:
            logs["bleu"] = float(epoch)

    scores = keras.callbacks.LambdaCallback(on_epoch_end=score_first_and_last)
    callback = BCQCallback(rules=RULES, monitor="bleu", mode="max")
    fit(compiled_mlp(), [scores, callback], epochs=3)
    assert callback.best == 2


def test_the_same_list_of_callbacks_serves_two_fits_and_a_fit_that_was_stopped():
    spy = Spy(is_2_bit)
    bcq = BCQCallback(bits=2, rules=RULES, latent=True)
    model = compiled_mlp()
    callbacks = keras.callbacks.CallbackList(
        [spy, bcq], add_history=True, model=model, epochs=1, steps=4
    )

    def stop(epoch, logs):
        raise KeyboardInterrupt

    bcq.on_epoch_end, before = stop, bcq.on_epoch_end
    with pytest.raises(KeyboardInterrupt):
        fit(model, callbacks, epochs=1)
    assert not is_2_bit(model)
    bcq.on_epoch_end = before
    for _ in range(2):
        fit(model, callbacks, epochs=1)
    assert spy.seen == [True] * 3
    assert "on_epoch_end" not in vars(callbacks)
