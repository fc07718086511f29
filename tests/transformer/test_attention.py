"""Attention: Keras' own results, whole and one position at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transformer.attention import CachedAttention
from transformer.caches import BLOCK, BlockCache, GrowingCache

FORMS = [GrowingCache, BlockCache]
BATCH, QUERIES, KEYS, WIDTH = 3, 4, 11, 6


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
    shapes = [weight.shape for weight in reference.weights]
    weights = zip(layer.get_weights(), shapes, strict=True)
    reference.set_weights([weight.reshape(shape) for weight, shape in weights])
    expected = reference(query, value, attention_mask=mask)
    np.testing.assert_allclose(layer(query, value, attention_mask=mask), expected, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_attending_to_a_cache_equals_attending_to_its_inputs(inputs, layer, form):
    query, value, mask = inputs
    mask = mask[:, 0] | ~mask[:, 0].any(axis=-1, keepdims=True)
    expected = layer(query, value, attention_mask=mask[:, np.newaxis])
    cache, visible = form.of(*layer.project(value)), form.visible(mask, tf.float32)
    for t in range(QUERIES):
        step = layer.attend(query[:, t : t + 1], cache, visible)
        np.testing.assert_allclose(step[:, 0], expected[:, t], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_one_position_at_a_time_equals_a_causal_mask(layer, form):
    steps = 2 * BLOCK + 1
    x = np.random.default_rng(1).normal(size=(BATCH, steps, WIDTH)).astype("float32")
    expected = layer(x, x, attention_mask=np.tril(np.ones((1, steps, steps), bool)))
    cache = form.empty(BATCH, steps, layer.num_heads, layer.key_dim, tf.float32)
    for t in range(steps):
        position = x[:, t : t + 1]
        cache = cache.extended(*layer.project(position), t)
        step = layer.attend(position, cache, form.visible_until(t, steps, tf.float32))
        np.testing.assert_allclose(step[:, 0], expected[:, t], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_a_cache_can_be_chosen(inputs, layer, form):
    query, value, _ = inputs
    rows, mask = np.array([2, 0, 2]), np.ones((BATCH, KEYS), bool)
    chosen = form.of(*layer.project(value)).gather(rows)
    visible = form.visible(mask, tf.float32)
    expected = layer.attend(query[:, :1], form.of(*layer.project(value[rows])), visible)
    np.testing.assert_allclose(layer.attend(query[:, :1], chosen, visible), expected, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_row_with_nothing_to_attend_to_stays_finite_in_a_cache(inputs, form, dtype):
    layer = CachedAttention(num_heads=2, key_dim=3, dtype=dtype)
    layer.build((None, None, WIDTH), (None, None, WIDTH))
    query, value, _ = (tf.cast(part, layer.compute_dtype) for part in inputs)
    visible = form.visible(np.zeros((BATCH, KEYS), bool), query.dtype)
    attended = layer.attend(query[:, :1], form.of(*layer.project(value)), visible)
    assert np.isfinite(attended).all()


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
