"""FastEmbedding against Keras's embedding."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
from bcq_tf.ops import portable_ops
from tests.layers.training import train

# Each test runs on the compiled ops and on the plain TensorFlow ones.
pytestmark = pytest.mark.usefixtures("ops")


def pair(*sizes, **options):
    """The two layers with the same table."""
    layers = keras.layers.Embedding(*sizes, **options), FastEmbedding(*sizes, **options)
    table = np.random.default_rng(0).normal(size=sizes) / 20
    for layer in layers:
        layer.build()
        layer.embeddings.assign(table)
    return layers


def random_ids(size, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, size, shape).astype("int32")


# A small table, and a large one for which few ids are, whose gradients are dense and sparse
SIZES_OF_TABLES = pytest.mark.parametrize("size", [40, 9000])


@SIZES_OF_TABLES
@pytest.mark.parametrize("jit", [False, True])
def test_sgd_gives_the_table_that_keras_gets(size, jit):
    ids = random_ids(size, 6, 20) // 3
    tables = [
        train(layer, ids, keras.optimizers.SGD(0.05), jit_compile=jit) for layer in pair(size, 8)
    ]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-5, atol=1e-6)


@SIZES_OF_TABLES
def test_adam_gives_the_table_that_keras_gets_where_no_id_repeats(size):
    ids = np.random.default_rng(1).permutation(size)[:30].astype("int32")
    tables = [train(layer, ids, keras.optimizers.Adam(0.05)) for layer in pair(size, 8)]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-5)


@SIZES_OF_TABLES
@pytest.mark.parametrize(
    "optimizer", [keras.optimizers.Adam, keras.optimizers.Adagrad, keras.optimizers.RMSprop]
)
def test_optimizers_see_the_sum_of_the_rows_of_an_id(size, optimizer):
    """As with a product with one-hot vectors."""
    found = train(pair(size, 8)[1], NINE_IDS, optimizer(0.05))
    np.testing.assert_allclose(found, trained_by_products(size, optimizer), rtol=1e-4, atol=1e-5)


NINE_IDS = random_ids(9, 50)


@functools.cache
def trained_by_products(size, optimizer):
    product = keras.layers.Dense(8, use_bias=False)
    product.build((None, size))
    product.kernel.assign(pair(size, 8)[0].embeddings)

    class OneHot(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.product = product
            self.embeddings = product.kernel

        def call(self, ids):
            return self.product(tf.one_hot(ids, size))

    return train(OneHot(), NINE_IDS, optimizer(0.05))


def test_the_gradient_is_sparse_for_a_large_table_and_few_ids():
    def kind(size, dim, ids, **options):
        layer = FastEmbedding(size, dim)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(ids, **options))
        return type(tape.gradient(loss, layer.embeddings.value))

    sparse = tf.IndexedSlices
    assert kind(9000, 8, random_ids(9000, 100)) is sparse
    assert kind(9000, 8, random_ids(9000, 100), training=False) is sparse
    assert kind(9000, 8, random_ids(9000, 5000)) is not sparse
    assert kind(100, 8, random_ids(100, 3)) is not sparse


def test_where_a_gpu_is_seen_gradients_are_dense(monkeypatch):
    for module in ("layers.fast_embedding", "ops.embedding"):
        monkeypatch.setattr(f"bcq_tf.{module}.has_gpu", lambda: True)
    slow, fast = pair(9000, 8)
    ids = random_ids(9000, 100)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fast(ids))
    assert not isinstance(tape.gradient(loss, fast.embeddings.value), tf.IndexedSlices)
    np.testing.assert_array_equal(fast(ids), slow(ids))


@SIZES_OF_TABLES
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_rows_of_any_dtype(size, dtype):
    slow, fast = pair(size, 8, dtype=dtype)
    ids = random_ids(size, 3, 5)
    for training in (True, False, None):
        rows = fast(ids, training=training)
        assert rows.dtype == dtype
        np.testing.assert_array_equal(rows, slow(ids))


@SIZES_OF_TABLES
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(size, policy):
    slow, fast = pair(size, 8, dtype=policy)
    ids = random_ids(size, 40)
    rows = fast(ids)
    assert rows.dtype == policy[len("mixed_") :]
    assert fast.embeddings.dtype == "float32"
    np.testing.assert_array_equal(rows, slow(ids))
    tables = [train(layer, ids, keras.optimizers.SGD(0.05)) for layer in (slow, fast)]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [40, 200_000])
def test_fit_with_a_last_batch_that_is_smaller(size):
    """There the number of ids is unknown while the function is traced."""
    np.testing.assert_allclose(losses(pair(size, 8)[1]), keras_losses(size), rtol=1e-4)


def losses(layer):
    """Of two epochs, each of three batches of 16 and one of 2."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    ids, options = random_ids(layer.input_dim, 50, 4), {"verbose": 0, "shuffle": False}
    return model.fit(ids, np.arange(50.0), batch_size=16, epochs=2, **options).history["loss"]


@functools.cache
def keras_losses(size):
    return losses(pair(size, 8)[0])


@SIZES_OF_TABLES
def test_an_empty_batch(size):
    layer = FastEmbedding(size, 8)
    with tf.GradientTape() as tape:
        rows = layer(np.zeros([0, 7], "int32"))
        loss = tf.reduce_sum(rows)
    assert rows.shape == (0, 7, 8)
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert not np.any(tf.convert_to_tensor(gradient))


def test_masks():
    ids = np.array([[1, 0, 2]])
    assert FastEmbedding(5, 3).compute_mask(ids) is None
    assert FastEmbedding(5, 3, mask_zero=True).compute_mask(ids).numpy().tolist() == [
        [True, False, True]
    ]


@SIZES_OF_TABLES
def test_regularizer_and_constraint(size):
    options = {
        "embeddings_regularizer": keras.regularizers.L2(0.01),
        "embeddings_constraint": keras.constraints.UnitNorm(axis=1),
    }
    ids = random_ids(size, 30)
    tables = [train(layer, ids, keras.optimizers.SGD(0.05)) for layer in pair(size, 8, **options)]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ids", ["float", "ragged", "sparse", "uint8"])
def test_other_kinds_of_ids(ids):
    slow, fast = pair(20, 8)
    values = {
        "float": tf.constant([[1.0, 3.0]]),
        "uint8": tf.constant([[1, 3]], tf.uint8),
        "ragged": tf.ragged.constant([[1, 3], [4]]),
        "sparse": tf.sparse.from_dense([[1, 3], [4, 0]]),
    }[ids]
    rows, expected = fast(values), slow(values)
    if ids == "ragged":
        rows, expected = rows.to_tensor(), expected.to_tensor()
    np.testing.assert_array_equal(rows, expected)


@SIZES_OF_TABLES
def test_an_id_that_is_no_row_is_an_error(size):
    layer = FastEmbedding(size, 3)
    for bad in (-1, size):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\[1\] ?= ?{bad}\b"):
            layer(np.array([0, bad]))


def test_config_and_saving(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            FastEmbedding(50, 6, mask_zero=True, deterministic=False, name="fast"),
            keras.layers.LSTM(3),
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    layer = loaded.get_layer("fast")
    assert type(layer) is FastEmbedding
    assert layer.mask_zero
    assert not layer.deterministic
    assert layer.get_config() == model.get_layer("fast").get_config()
    ids = random_ids(50, 5, 4)
    np.testing.assert_array_equal(loaded(ids), model(ids))


def test_weights_are_those_of_a_keras_embedding(tmp_path):
    slow = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(50, 6)])
    fast = keras.Sequential([keras.Input((4,)), FastEmbedding(50, 6)])
    fast.set_weights(slow.get_weights())
    ids = random_ids(50, 5, 4)
    np.testing.assert_array_equal(fast(ids), slow(ids))


def test_bad_arguments():
    with pytest.raises(ValueError, match="`deterministic` must be a bool. Received: .*=1"):
        FastEmbedding(5, 3, deterministic=1)
    with pytest.raises(ValueError, match="`lora_rank` must be None .* Received: lora_rank=2"):
        FastEmbedding(5, 3, lora_rank=2)
    with pytest.raises(ValueError, match="`lora_rank` must be None .* Received: layer 'a'"):
        FastEmbedding(5, 3, name="a").enable_lora(2)
    with pytest.raises(ValueError, match="`dtype` must not be quantized. Received: int8_from"):
        FastEmbedding(5, 3, dtype="int8_from_float32")
    with pytest.raises(ValueError, match="`input_dim` must be a positive integer"):
        FastEmbedding(0, 3)


def test_exported_in_plain_ops(tmp_path):
    """A SavedModel that runs where bcq_tf is not installed."""
    ids = keras.Input((2,), dtype="int32")
    rows = [FastEmbedding(9000, 8)(ids), FastMultiEmbedding([9000, 5], [3, 4])(ids)]
    model = keras.Model(ids, rows)
    with portable_ops():
        model.export(tmp_path, verbose=False)
    assert b"Bcq" not in (tmp_path / "saved_model.pb").read_bytes()
    loaded = tf.saved_model.load(tmp_path)
    values = np.array([[1, 2], [8999, 4]], "int32")
    for found, expected in zip(loaded.serve(values), model(values), strict=True):
        np.testing.assert_array_equal(found, expected)
