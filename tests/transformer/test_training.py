"""Loss, accuracy and learning rate, against slow references."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.transformer.conftest import make_hparams, make_model
from transformer import training

LABELS = np.array([[4, 5, 3, 0], [6, 3, 0, 0]], "int32")
LOGITS = np.random.default_rng(0).normal(size=(2, 4, 7)).astype("float32") * 3


def reference_loss(logits, smoothing):
    """Mean over the five real tokens of -sum_v p_v log q_v."""
    total = 0.0
    for row, position in np.argwhere(LABELS):
        scores = logits[row, position].astype("float64")
        log_q = scores - np.log(np.exp(scores).sum())
        p = np.full(7, smoothing / 7)
        p[LABELS[row, position]] += 1 - smoothing
        total -= p @ log_q
    return total / 5


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_mean_over_real_tokens(smoothing):
    loss = training.MaskedCrossEntropy(smoothing)(LABELS, LOGITS)
    assert float(loss) == pytest.approx(reference_loss(LOGITS, smoothing), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_written_out_gradient_is_the_loss_s_slope(smoothing):
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = training.MaskedCrossEntropy(smoothing)(LABELS, logits)
    gradient = tape.gradient(loss, logits).numpy()
    direction = np.random.default_rng(1).normal(size=LOGITS.shape)
    up, down = (reference_loss(LOGITS + step * direction, smoothing) for step in (1e-4, -1e-4))
    assert np.sum(gradient * direction) == pytest.approx((up - down) / 2e-4, rel=1e-3)
    assert not gradient[LABELS == 0].any()


def test_a_batch_of_padding_has_no_loss():
    assert float(training.MaskedCrossEntropy(0.1)(np.zeros_like(LABELS), LOGITS)) == 0


def test_the_loss_takes_half_precision_logits():
    loss = training.MaskedCrossEntropy(0.1)(LABELS, LOGITS.astype("float16"))
    assert float(loss) == pytest.approx(reference_loss(LOGITS, 0.1), rel=1e-2)


def test_accuracy_counts_real_tokens_over_all_batches():
    metric = training.MaskedAccuracy()
    predicted = np.array([[4, 5, 6, 0], [6, 1, 0, 0]])  # 3 of the 5 real tokens
    metric.update_state(LABELS, np.eye(7)[predicted])
    assert float(metric.result()) == pytest.approx(3 / 5)
    metric.update_state(np.array([[4, 4, 4, 4, 4]]), np.eye(7)[[[4, 4, 4, 4, 4]]])
    assert float(metric.result()) == pytest.approx(8 / 10)


def test_the_learning_rate_peaks_at_the_end_of_warm_up():
    rates = [float(training.NoamSchedule(64, 100)(step)) for step in range(400)]
    assert np.argmax(rates) == 99
    assert rates[99] == pytest.approx((64 * 100) ** -0.5)
    assert rates[49] == pytest.approx(rates[99] / 2)
    assert rates[399] == pytest.approx(rates[99] / 2)


def test_a_cosine_falls_from_the_same_peak_to_0_at_the_last_step():
    hparams = make_hparams(d_model=64, warmup_steps=100, decay="cosine")
    rate = training.learning_rate(hparams, steps=400)
    rates = [float(rate(step)) for step in range(401)]
    assert np.argmax(rates) == 100
    assert rates[100] == pytest.approx((64 * 100) ** -0.5)
    assert rates[50] == pytest.approx(rates[100] / 2) == pytest.approx(rates[250])
    assert rates[400] == pytest.approx(0, abs=1e-9)


def test_the_schedule_is_what_the_hyperparameters_say():
    noam = training.learning_rate(make_hparams(decay="noam"), steps=400)
    assert noam.get_config() == training.NoamSchedule(16, 20).get_config()
    shorter_than_warm_up = training.learning_rate(make_hparams(decay="cosine"), steps=10)
    assert 0 < float(shorter_than_warm_up(9)) < (16 * 20) ** -0.5


@pytest.mark.parametrize(
    "value",
    [training.NoamSchedule(16, 30), training.MaskedCrossEntropy(0.2), training.MaskedAccuracy()],
    ids=lambda value: type(value).__name__,
)
def test_it_is_serializable(value):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(value))
    assert type(copy) is type(value)
    assert copy.get_config() == value.get_config()


def test_training_lowers_the_loss(vocabularies):
    model = make_model(vocabularies, num_layers=1)
    training.compile_model(model, make_hparams(), learning_rate=3e-3)
    source, target = np.array([[5, 6, 3]] * 4, "int32"), np.array([[2, 7, 8, 3]] * 4, "int32")
    batches = tf.data.Dataset.from_tensors(((source, target[:, :-1]), target[:, 1:])).repeat(20)
    history = model.fit(batches, epochs=3, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["accuracy"][-1] > 0.9


def test_dropout_depends_on_seed_and_epoch_alone(model):
    def drop(seed, epoch):
        callback = training.SeedDropout(seed)
        callback.set_model(model)
        callback.on_epoch_begin(epoch)
        tokens = np.array([[5, 6, 7, 3]], "int32")
        return model((tokens, tokens), training=True).numpy()

    first = drop(seed=0, epoch=1)
    assert not np.array_equal(drop(seed=0, epoch=2), first)
    assert not np.array_equal(drop(seed=1, epoch=1), first)
    np.testing.assert_array_equal(drop(seed=0, epoch=1), first)
