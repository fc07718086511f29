"""What errors cost, against what a loss becomes with them."""

import numpy as np
import pytest

from bcq_tf.models.allocation.costs import expected_loss
from bcq_tf.models.calibration.sums import Sums, Use


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
    use = Use(Sums(x.T @ x, samples), samples * probabilities, logits=True)
    assert expected_loss([use], samples, errors) == pytest.approx(grown, rel=0.25)
