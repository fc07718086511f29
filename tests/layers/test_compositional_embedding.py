"""`CompositionalEmbedding` against a Keras embedding of the codes' matrix."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.compositional_codes import CompositionalCodes
from bcq_tf.layers import CompositionalEmbedding
from bcq_tf.ops import portable_ops

ROWS, COLUMNS = 90, 12
IDS = np.random.default_rng(0).integers(0, ROWS, (5, 7)).astype("int32")
SIZES = [(1, 2), (1, 1), (3, 5), (8, 16), (4, 300), (5, 256)]  # M, K


def codes_of(M=8, K=16, seed=0, rows=ROWS, dtype=np.float32):
    rng = np.random.default_rng(seed)
    codebooks = rng.normal(size=(M, K, COLUMNS)).astype(dtype)
    return CompositionalCodes.of(rng.integers(0, K, (rows, M)), codebooks)


def float_layer(matrix, **settings):
    layer = keras.layers.Embedding(*matrix.shape, **settings)
    layer.build()
    layer.set_weights([matrix])
    return layer


@pytest.mark.parametrize(
    ("M", "K", "policy"),
    [
        *((M, K, "float32") for M, K in SIZES),
        *((3, 5, policy) for policy in ("mixed_float16", "mixed_bfloat16", "float16")),
    ],
)
def test_it_computes_what_a_float_embedding_does(M, K, policy):
    codes = codes_of(M, K)
    layer = CompositionalEmbedding.from_codes(codes, dtype=policy)
    expected = float_layer(codes.reconstruct(), dtype=policy)(IDS)
    for jit in (False, True):
        rows = tf.function(layer, jit_compile=jit)(IDS)
        assert rows.dtype == layer.compute_dtype
        np.testing.assert_array_equal(tf.cast(rows, "float32"), tf.cast(expected, "float32"))
    np.testing.assert_array_equal(layer(IDS.astype("float32")), rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("M", "K"), SIZES)
def test_it_holds_the_codes_and_no_float_table(M, K, dtype):
    codes = codes_of(M, K, dtype=dtype)
    layer = CompositionalEmbedding.from_codes(codes)
    index_bits = max(1, int(np.ceil(np.log2(K))))
    arithmetic = ROWS * -(-M * index_bits // 8) + M * K * COLUMNS * np.dtype(dtype).itemsize
    held = sum(variable.numpy().nbytes for variable in layer.variables)
    assert held == layer.nbytes == codes.nbytes == arithmetic
    np.testing.assert_array_equal(layer.embeddings, codes.reconstruct())
    for name, array in layer.codes.arrays().items():
        np.testing.assert_array_equal(array, codes.arrays()[name])


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_configs_and_files(tmp_path, dtype, trainable):
    codes = codes_of(dtype=dtype)
    layer = CompositionalEmbedding.from_codes(
        codes, trainable_codebooks=trainable, mask_zero=True, name="words"
    )
    config = json.loads(json.dumps(layer.get_config()))
    assert CompositionalEmbedding.from_config(config).get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer, keras.layers.LSTM(3)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))
    assert len(again.trainable_variables) == len(model.trainable_variables)
    model.save_weights(tmp_path / "model.weights.h5")
    again.get_layer("words").assign_codes("embeddings", codes_of(seed=1, dtype=dtype))
    assert np.any(again(IDS) != model(IDS))
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(IDS), model(IDS))


def test_a_file_is_as_small_as_the_codes(tmp_path):
    layer = CompositionalEmbedding.from_codes(codes_of(rows=50000))
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer])
    model.save(tmp_path / "model.keras")
    arithmetic = 50000 * 4 + 8 * 16 * COLUMNS * 4
    assert layer.nbytes == arithmetic
    assert (tmp_path / "model.keras").stat().st_size < 1.05 * arithmetic + 20000


def test_the_gradient_by_the_codebooks_is_the_sum_over_the_rows_that_use_a_vector():
    codes = codes_of(3, 5)
    layer = CompositionalEmbedding.from_codes(codes, trainable_codebooks=True)
    upstream = np.random.default_rng(1).normal(size=(*IDS.shape, COLUMNS)).astype("float32")
    expected = np.zeros((3, 5, COLUMNS))
    for row, dy in zip(IDS.ravel(), upstream.reshape(-1, COLUMNS), strict=True):
        for m, k in enumerate(codes.indexes()[row]):
            expected[m, k] += dy
    (variable,) = layer.trainable_variables
    assert variable.name == "embeddings_codebooks"

    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(IDS) * upstream)
        return tape.gradient(loss, variable.value)

    for jit in (False, True):
        found = tf.function(gradient, jit_compile=jit)()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("trainable", [False, True])
def test_codebooks_train_where_asked_and_indexes_never(trainable):
    codes = codes_of()
    layer = CompositionalEmbedding.from_codes(codes, trainable_codebooks=trainable)
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    losses = model.fit(IDS, np.arange(5.0), epochs=40, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 10
    np.testing.assert_array_equal(layer.codes.packed, codes.packed)
    assert np.any(layer.codes.codebooks != codes.codebooks) == trainable
    layer.trainable = False
    assert not layer.trainable_variables


def test_trainable_codebooks_are_single_precision():
    half = codes_of(dtype=np.float16)
    layer = CompositionalEmbedding.from_codes(half, trainable_codebooks=True)
    assert layer.codes.codebooks.dtype == np.float32
    np.testing.assert_array_equal(layer.embeddings, half.reconstruct())


def test_masks_and_shapes_are_those_of_an_embedding():
    layer = CompositionalEmbedding.from_codes(codes_of(), mask_zero=True)
    np.testing.assert_array_equal(layer.compute_mask(np.array([[0, 3, 0]])), [[False, True, False]])
    assert layer.compute_output_shape((None, 4)) == (None, 4, COLUMNS)
    assert layer(keras.Input((4,), dtype="int32")).shape == (None, 4, COLUMNS)
    assert layer(IDS[:0]).shape == (0, 7, COLUMNS)
    assert layer(np.int64(3)).shape == (COLUMNS,)


def test_pack_model_takes_them_for_the_table_of_an_embedding(tmp_path):
    model = keras.Sequential(
        [keras.Input((7,), dtype="int32"), keras.layers.Embedding(900, COLUMNS, name="words")],
        name="sequential",
    )
    codes = codes_of(rows=900)
    bcq_tf.pack_model(model, {"sequential/words/embeddings": codes})
    assert isinstance(model.get_layer("words"), CompositionalEmbedding)
    np.testing.assert_array_equal(model(IDS), codes.reconstruct()[IDS])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))


def test_an_id_that_is_no_row_is_an_error():
    layer = CompositionalEmbedding.from_codes(codes_of())
    for wrong in (-1, ROWS):
        with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
            layer(np.array([0, wrong]))
        with portable_ops():  # which cannot raise under XLA
            rows = tf.function(layer, jit_compile=True)(np.array([0, wrong]))
        assert np.isnan(rows[1]).all()


def test_bad_codes_are_refused():
    layer = CompositionalEmbedding.from_codes(codes_of())
    for other in (codes_of(M=4), codes_of(K=8), codes_of(rows=9), codes_of(dtype=np.float16)):
        with pytest.raises(ValueError, match="`codes` must be those of CompositionalWeight"):
            layer.assign_codes("embeddings", other)
    with pytest.raises(TypeError, match="must be CompositionalCodes. Received: BinaryCodes"):
        CompositionalEmbedding.from_codes(bcq_tf.quantize(np.ones((4, 3)), 1))
    weight = layer.packed_weights["embeddings"].to_dict()
    for wrong, error in (
        ({"codebooks": 0}, "`codebooks` must be a positive integer. Received: codebooks=0"),
        ({"dtype": "int8"}, "`dtype` must be one of .* Received: dtype='int8'"),
    ):
        with pytest.raises(ValueError, match=error):
            CompositionalEmbedding(ROWS, COLUMNS, packed_weights={"embeddings": weight | wrong})
