"""`sensitivity`: what is expected is what is measured, where the model is at its best."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from tests.backends import only_on

pytestmark = [only_on("tensorflow"), pytest.mark.filterwarnings("ignore:`calibration`")]


def regression():
    """A linear model and samples that it fits exactly: all that the loss has is of second order."""
    keras.utils.set_random_seed(0)
    layers = [L.Dense(48, name="first"), L.Dense(6, name="second")]
    model = keras.Sequential([keras.Input((64,)), *layers], name="m")
    model.compile(loss="mse")
    x = np.random.default_rng(0).normal(size=(2000, 64)) * np.linspace(0.2, 2, 64)
    return model, x.astype("float32"), model.predict(x, verbose=0)


def test_expected_is_what_is_measured():
    model, x, y = regression()
    before = model.get_weights()
    found = bcq_tf.sensitivity(model, (x, y))
    assert found.loss < 1e-9
    assert [line.bits for line in found.lines] == [1, 2, 3, 4] * 2
    for line in found.lines:
        assert line.expected == pytest.approx(line.measured, rel=0.35), line
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_is_expected_of_likelihoods_is_the_divergence():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), L.Dense(10, name="logits")])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).normal(size=(2000, 64)).astype("float32")
    logits, weights = model.predict(x, verbose=0), model.get_weights()
    expected = bcq_tf.sensitivity(model, x, bits=(2, 3), measure=False)
    assert {line.measured for line in expected.lines} == {None}
    for line in expected.lines:
        model.set_weights(weights)
        bcq_tf.quantize_model(model, line.bits, calibration=x, effort="low")
        after = model.predict(x, verbose=0)
        p = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True)))
        q = np.exp(after - np.log(np.exp(after).sum(1, keepdims=True)))
        divergence = (p * np.log(p / q)).sum(axis=1).mean()
        assert line.expected == pytest.approx(divergence, rel=0.25)


def test_it_is_listed_and_json():
    model, x, y = regression()
    found = bcq_tf.sensitivity(model, (x[:50], y[:50]), bits=(2,), rules={"*first*": None})
    assert "second/kernel" in str(found)
    assert found.to_dict()["weights"][0]["bits"] == 2


def test_without_targets_nothing_is_measured():
    model, x, _ = regression()
    with pytest.raises(ValueError, match="`calibration` must have targets to measure by"):
        bcq_tf.sensitivity(model, x)
