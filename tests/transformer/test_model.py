"""The transformer: its size, what a position may see, and how it is saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transformer.decoding import greedy_decode
from transformer.model import Transformer, positions

SOURCE = np.array([[5, 6, 7, 3], [8, 9, 3, 0]], "int32")
TARGET = np.array([[2, 5, 6, 7, 8], [2, 9, 10, 0, 0]], "int32")


def test_the_published_shape_has_ten_million_weights():
    model = Transformer(7765, 7010, 4, 128, 512, 8, 128)
    model.build()
    # 10,184,162 published; normalizing before each sublayer adds a norm at either end.
    assert model.count_params() == 10_184_162 + 2 * 2 * 128


def test_logits_have_the_vocabulary_s_width(model, vocabularies):
    assert model((SOURCE, TARGET)).shape == (2, 5, vocabularies.target.size)


def test_a_position_sees_no_later_one(model):
    before = model((SOURCE, TARGET)).numpy()
    changed = TARGET.copy()
    changed[:, 3:] = 11
    after = model((SOURCE, changed)).numpy()
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 1e-2


def test_padding_changes_nothing(model):
    before = model((SOURCE, TARGET)).numpy()
    padded = np.pad(SOURCE, [(0, 0), (0, 3)]), np.pad(TARGET, [(0, 0), (0, 2)])
    np.testing.assert_allclose(model(padded).numpy()[:, :5], before, atol=1e-5)


def test_the_source_matters_and_so_does_its_order(model):
    before = model((SOURCE, TARGET)).numpy()
    assert np.abs(model((SOURCE[:, [1, 0, 2, 3]], TARGET)).numpy() - before).max() > 1e-2


def test_dropout_acts_in_training_alone(model):
    first, second = (model((SOURCE, TARGET), training=True).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-2
    np.testing.assert_array_equal(model((SOURCE, TARGET)), model((SOURCE, TARGET)))


def test_words_are_scaled_vectors_and_their_positions(model):
    vectors = positions(5, model.d_model).numpy()
    expected = model.target_embedding(TARGET).numpy() * model.d_model**0.5 + vectors
    found = model.embed_target(TARGET, vectors).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_positions_are_the_published_sinusoids():
    vectors = positions(50, 8).numpy()
    for position in (0, 1, 49):
        for i in range(4):
            angle = position / 10_000 ** (2 * i / 8)
            assert vectors[position, i] == pytest.approx(np.sin(angle), abs=1e-5)
            assert vectors[position, 4 + i] == pytest.approx(np.cos(angle), abs=1e-5)


def test_a_keras_file_gives_the_same_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded((SOURCE, TARGET)), model((SOURCE, TARGET)))
    np.testing.assert_array_equal(
        greedy_decode(loaded, tf.constant(SOURCE)), greedy_decode(model, tf.constant(SOURCE))
    )


def test_weight_paths_are_distinct_and_say_what_they_are(model):
    paths = [weight.path for weight in model.weights]
    assert len(set(paths)) == len(paths)
    assert "transformer/decoder_1/cross_attention/query/kernel" in paths
    assert "transformer/encoder_0/expand/kernel" in paths
