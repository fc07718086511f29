"""`UniformEmbedding` and `FloatEmbedding` against a Keras embedding of the codes' matrix."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import BCQEmbedding, UniformEmbedding
from bcq_tf.ops import portable_ops

ROWS, COLUMNS = 90, 12
IDS = np.random.default_rng(0).integers(0, ROWS, (5, 7)).astype("int32")


def table(seed=0, zeros=()):
    matrix = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS)).astype("float32")
    matrix[list(zeros)] = 0
    return matrix


def float_layer(matrix, **settings):
    layer = keras.layers.Embedding(*matrix.shape, **settings)
    layer.build()
    layer.set_weights([matrix])
    return layer


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_it_computes_what_a_float_embedding_does(bits, policy):
    codes = quantize_uniform(table(zeros=[0]), bits)
    layer = UniformEmbedding.from_codes(codes, dtype=policy)
    expected = float_layer(codes.reconstruct(), dtype=policy)(IDS)
    for jit in (False, True):
        rows = tf.function(layer, jit_compile=jit)(IDS)
        assert rows.dtype == layer.compute_dtype
        np.testing.assert_array_equal(tf.cast(rows, "float32"), tf.cast(expected, "float32"))
    np.testing.assert_array_equal(layer(IDS.astype("float32")), rows)


@pytest.mark.parametrize("zeros", [(), (0, 33)])
@pytest.mark.parametrize("bits", range(1, 9))
def test_it_holds_the_codes_and_no_float_table(bits, zeros):
    codes = quantize_uniform(table(zeros=zeros), bits)
    layer = UniformEmbedding.from_codes(codes)
    held = sum(variable.numpy().nbytes for variable in layer.variables)
    arithmetic = ROWS * -(-COLUMNS * bits // 8)
    assert arithmetic < held <= arithmetic + 8 + bool(zeros) * -(-ROWS // 8)
    assert layer.nbytes == held
    np.testing.assert_array_equal(layer.embeddings, codes.reconstruct())
    again = layer.codes
    assert (again.limit, again.bits, again.columns) == (codes.limit, bits, COLUMNS)
    for name, array in codes.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert again.arrays().keys() == codes.arrays().keys()


@pytest.mark.parametrize("zeros", [(), (0,)])
def test_configs_and_files(zeros, tmp_path):
    codes = quantize_uniform(table(zeros=zeros), 3)
    layer = UniformEmbedding.from_codes(codes, mask_zero=True, name="words")
    config = json.loads(json.dumps(layer.get_config()))
    assert UniformEmbedding.from_config(config).get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer, keras.layers.LSTM(3)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))
    assert again.get_layer("words").nbytes == layer.nbytes
    model.save_weights(tmp_path / "model.weights.h5")
    again.get_layer("words").assign_codes("embeddings", quantize_uniform(table(1, zeros), 3))
    assert np.any(again(IDS) != model(IDS))
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(IDS), model(IDS))


@pytest.mark.parametrize("kind", [UniformEmbedding, BCQEmbedding])
def test_saving_and_loading_make_no_float_table(kind, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(kind, "float_value", lambda layer, name, dtype=None: made.append(name))
    solve = quantize_uniform if kind is UniformEmbedding else bcq_tf.quantize
    layer = kind.from_codes(solve(table(), 2))
    keras.Sequential([keras.Input((7,), dtype="int32"), layer]).save(tmp_path / "model.keras")
    keras.saving.load_model(tmp_path / "model.keras")
    assert not made
    _ = layer.embeddings
    assert made == ["embeddings"]


def test_a_file_is_as_small_as_the_codes(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(20000, 50)).astype("float32")
    layer = UniformEmbedding.from_codes(quantize_uniform(matrix, 2))
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer])
    model.save(tmp_path / "model.keras")
    arithmetic = 20000 * -(-50 * 2 // 8)
    assert layer.nbytes == pytest.approx(arithmetic, rel=0.01)
    assert (tmp_path / "model.keras").stat().st_size < 1.05 * arithmetic + 20000


def test_the_table_is_frozen_and_the_other_layers_train():
    layer = UniformEmbedding.from_codes(quantize_uniform(table(), 2), trainable=True)
    layer.trainable = True
    assert not layer.trainable_variables
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = layer.embeddings.numpy()
    losses = model.fit(IDS, np.arange(5.0), epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 10
    np.testing.assert_array_equal(layer.embeddings, before)


def test_masks_and_shapes_are_those_of_an_embedding():
    layer = UniformEmbedding.from_codes(quantize_uniform(table(zeros=[0]), 2), mask_zero=True)
    ids = np.array([[0, 3, 0]])
    np.testing.assert_array_equal(layer.compute_mask(ids), [[False, True, False]])
    assert not layer(ids).numpy()[0, 0].any()
    assert layer.compute_output_shape((None, 4)) == (None, 4, COLUMNS)
    assert layer(keras.Input((4,), dtype="int32")).shape == (None, 4, COLUMNS)
    assert layer(IDS[:0]).shape == (0, 7, COLUMNS)


def test_an_id_that_is_no_row_is_an_error():
    layer = UniformEmbedding.from_codes(quantize_uniform(table(), 2))
    for wrong in (-1, ROWS):
        with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
            layer(np.array([0, wrong]))
        with portable_ops():  # which cannot raise under XLA
            rows = tf.function(layer, jit_compile=True)(np.array([0, wrong]))
        assert np.isnan(rows[1]).all()


def test_bad_codes_are_refused():
    codes = quantize_uniform(table(), 2)
    layer = UniformEmbedding.from_codes(codes)
    for other in (quantize_uniform(table(), 3), quantize_uniform(table(zeros=[1]), 2)):
        with pytest.raises(ValueError, match="`codes` must be those of UniformWeight.* Received"):
            layer.assign_codes("embeddings", other)
    with pytest.raises(TypeError, match="`codes` must be UniformCodes. Received: BinaryCodes"):
        UniformEmbedding.from_codes(bcq_tf.quantize(table(), 1))
    with pytest.raises(TypeError, match="`codes` must be BinaryCodes. Received: UniformCodes"):
        BCQEmbedding.from_codes(codes)
    weight = layer.packed_weights["embeddings"].to_dict() | {"bits": 9}
    with pytest.raises(ValueError, match="`bits` must be an integer from 1 to 8. Received: bits=9"):
        UniformEmbedding(ROWS, COLUMNS, packed_weights={"embeddings": weight})
    with pytest.raises(ValueError, match="cannot have LoRA"):
        layer.enable_lora(2)
