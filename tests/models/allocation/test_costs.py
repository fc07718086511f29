"""What errors cost, against what a loss becomes with them."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.models.allocation.costs import expected_loss
from bcq_tf.models.calibration.loss_gradients import LossGradients
from bcq_tf.models.calibration.output_gradients import drawn
from bcq_tf.models.calibration.sums import Sums, Use
from bcq_tf.models.calibration.watch import Watch
from tests.backends import only_on

pytestmark = only_on("tensorflow")


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.0, 3.0])
def test_noise_in_the_logits_of_rare_words(spread):
    # The first of 1,000 words have noise of variance v = spread^2 in logits of small probability p:
    # the loss grows by p (exp(v / 2) - 1) for each, by p v / 2 where v is small.
    random = np.random.default_rng(0)
    samples, columns, rare = 4000, 64, 200
    x = random.normal(size=(samples, columns)).astype("float32")
    errors = spread / 8 * random.normal(size=(1000, columns)).astype("float32")
    errors[rare:] = 0
    logits = np.where(np.arange(1000) < rare, -9.0, 0.0)
    noisy = logits + x @ errors.T
    grown = np.log(np.exp(noisy).sum(axis=1)).mean() - np.log(np.exp(logits).sum())
    probabilities = np.exp(logits) / np.exp(logits).sum()
    use = Use(Sums(x.T @ x, samples, samples), samples * probabilities, logits=True)
    assert expected_loss([use], samples, errors) == pytest.approx(grown, rel=0.25)


@pytest.mark.parametrize(
    ("loss", "softmax"), [("sparse_categorical_crossentropy", True), ("mean_squared_error", False)]
)
def test_outputs_of_a_tied_table_are_logits_where_the_loss_is_that_of_a_softmax(loss, softmax):
    table = keras.layers.ReversibleEmbedding(40, 32)
    ids = keras.Input((5,), dtype="int32")
    model = keras.Model(ids, keras.ops.softmax(table(table(ids), reverse=True)))
    model.compile(loss=loss)
    (weight,) = bcq_tf.select(model).chosen
    found = LossGradients(model, [weight], drawn(model))
    with found.watching():
        found.add((np.arange(10).reshape(2, 5), None, None), Watch(model, []))
    assert [use.logits for use in found.uses(weight.position)] == [False, softmax]
