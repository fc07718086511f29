"""Attention: Keras' own results, whole and one position at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transformer.attention import CachedAttention

BATCH, QUERIES, KEYS, WIDTH = 3, 4, 5, 6


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    query = random.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
    value = random.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")
    return query, value, random.random((BATCH, QUERIES, KEYS)) < 0.6


@pytest.fixture
def layer():
    layer = CachedAttention(num_heads=2, key_dim=3)
    layer.build((None, None, WIDTH), (None, None, WIDTH))
    return layer


@pytest.mark.parametrize("masked", [False, True])
def test_it_equals_keras(inputs, layer, masked):
    query, value, mask = inputs
    mask = mask | ~mask.any(axis=-1, keepdims=True) if masked else None
    reference = keras.layers.MultiHeadAttention(num_heads=2, key_dim=3)
    reference.build(query.shape, value.shape)
    reference.set_weights(layer.get_weights())
    expected = reference(query, value, attention_mask=mask)
    np.testing.assert_allclose(layer(query, value, attention_mask=mask), expected, atol=1e-6)
    attended = layer.attend(query, *layer.project(value), mask=mask)
    np.testing.assert_allclose(attended, expected, atol=1e-6)


def test_one_position_at_a_time_equals_a_causal_mask(inputs, layer):
    x = inputs[0]
    causal = np.tril(np.ones((1, QUERIES, QUERIES), bool))
    expected = layer(x, x, attention_mask=causal)
    for t in range(QUERIES):
        step = layer.attend(x[:, t : t + 1], *layer.project(x[:, : t + 1]))
        np.testing.assert_allclose(step[:, 0], expected[:, t], atol=1e-6)


def test_a_row_with_nothing_to_attend_to_stays_finite(inputs, layer):
    query, value, mask = inputs
    assert np.isfinite(layer(query, value, attention_mask=np.zeros_like(mask))).all()


def test_half_precision_masks_stay_finite(inputs):
    layer = CachedAttention(num_heads=2, key_dim=3, dtype="mixed_float16")
    query, value, mask = inputs
    assert np.isfinite(layer(query, value, attention_mask=mask)).all()


def test_its_config_round_trips(layer):
    copy = CachedAttention.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(CachedAttention) == "transformer>CachedAttention"
    assert tf.is_tensor(copy(tf.zeros([1, 2, WIDTH]), tf.zeros([1, 2, WIDTH])))
