"""FastEmbedding and FastMultiEmbedding against Keras's own embeddings."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
from bcq_tf.ops import compiled, portable_ops

ROOT = Path(__file__).resolve().parents[2]
SIZES, DIMS = [5, 30, 1, 12], [3, 8, 1, 5]


@pytest.fixture(params=["compiled", "portable"], autouse=True)
def ops(request):
    """Which ops run in this test."""
    if request.param == "portable":
        with portable_ops():
            yield
    elif compiled.available():
        yield
    else:
        pytest.skip("the compiled ops are not loaded")


def pair(*sizes, **options):
    """The two layers with the same table."""
    layers = keras.layers.Embedding(*sizes, **options), FastEmbedding(*sizes, **options)
    for layer in layers:
        layer.build()
    layers[1].embeddings.assign(layers[0].embeddings)
    return layers


def random_ids(size, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, size, shape).astype("int32")


def train(layer, ids, optimizer, steps=3, **options):
    """The table after some steps, whose loss weighs all elements of the result differently."""
    optimizer.build(layer.trainable_variables)

    @tf.function(**options)
    def step(ids):
        with tf.GradientTape() as tape:
            rows = tf.cast(layer(ids, training=True), tf.float32)
            weights = tf.sin(tf.range(1, tf.size(rows) + 1, dtype=tf.float32))
            loss = tf.reduce_sum((tf.reshape(rows, [-1]) - weights) ** 2) + sum(layer.losses)
        variables = [variable.value for variable in layer.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), layer.trainable_variables)

    for _ in range(steps):
        step(tf.constant(ids))
    return layer.embeddings.numpy()


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
    ids = random_ids(9, 50)
    _, fast = pair(size, 8)
    product = keras.layers.Dense(8, use_bias=False)
    product.build((None, size))
    product.kernel.assign(fast.embeddings)

    class OneHot(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.product = product
            self.embeddings = product.kernel

        def call(self, ids):
            return self.product(tf.one_hot(ids, size))

    tables = [train(layer, ids, optimizer(0.05)) for layer in (OneHot(), fast)]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-5)


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
    ids, target = random_ids(size, 50, 4), np.arange(50.0)
    losses = []
    for layer in pair(size, 8):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        history = model.fit(ids, target, batch_size=16, epochs=3, verbose=0, shuffle=False)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


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
    with pytest.raises(ValueError, match="FastEmbedding cannot have LoRA. Received: lora_rank=2"):
        FastEmbedding(5, 3, lora_rank=2)
    with pytest.raises(ValueError, match="FastEmbedding cannot have LoRA. Received: layer 'a'"):
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


# Many tables


def multi(**options):
    """A layer, and Keras embeddings with its tables."""
    layer = FastMultiEmbedding(SIZES, DIMS, **options)
    layer.build((None, len(SIZES)))
    tables = [
        keras.layers.Embedding(size, dim, weights=layer.table(t).numpy())
        for t, (size, dim) in enumerate(zip(SIZES, DIMS, strict=True))
    ]
    return layer, tables


def ids_of_tables(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, SIZES, (*shape, len(SIZES))).astype("int32")


@pytest.mark.parametrize("shape", [(), (7,), (2, 3), (0,), (0, 4)])
def test_rows_of_all_tables_side_by_side(shape):
    layer, tables = multi()
    ids = ids_of_tables(*shape)
    rows = layer(ids)
    assert rows.shape == (*shape, sum(DIMS)) == layer.compute_output_shape(ids.shape)
    expected = np.concatenate([table(ids[..., t]) for t, table in enumerate(tables)], axis=-1)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_many_tables_train_as_single_ones(jit, optimizer):
    layer, _ = multi()
    ids = ids_of_tables(60)
    singles = [FastEmbedding(size, dim) for size, dim in zip(SIZES, DIMS, strict=True)]
    for t, single in enumerate(singles):
        single.build()
        single.embeddings.assign(layer.table(t))

    class Concatenated(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.singles = singles

        @property
        def embeddings(self):
            return tf.concat([tf.reshape(s.embeddings, [-1]) for s in singles], 0)

        def call(self, ids):
            return tf.concat([s(ids[..., t]) for t, s in enumerate(singles)], -1)

    tables = [
        train(each, ids, optimizer(0.05), jit_compile=jit) for each in (Concatenated(), layer)
    ]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-5)


def test_one_table_alone():
    layer = FastMultiEmbedding([6], [3])
    rows = layer(np.array([[5], [0]]))
    np.testing.assert_array_equal(rows, layer.table(0).numpy()[[5, 0]])
    trained = train(layer, np.array([[5], [0]]), keras.optimizers.SGD(0.1))
    assert trained.shape == (18,)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_precision_of_many_tables(policy):
    layer, tables = multi(dtype=policy)
    rows = layer(ids_of_tables(9))
    assert rows.dtype == layer.compute_dtype
    assert layer.embeddings.dtype == layer.variable_dtype
    first = tables[0](ids_of_tables(9)[:, 0])
    np.testing.assert_array_equal(rows[:, : DIMS[0]], tf.cast(first, rows.dtype))


def test_an_error_names_the_table_and_the_id():
    layer, _ = multi()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"table 3\b|table_3\b") as caught:
        layer(np.array([[0, 0, 0, 0], [0, 0, 0, 12]]))
    assert "12" in str(caught.value)


def test_each_table_is_initialized_by_its_own_shape():
    sizes, dims = [400, 300, 2], [50, 50, 1]
    layer = FastMultiEmbedding(sizes, dims, keras.initializers.VarianceScaling(seed=3))
    layer.build()
    first, second, _ = (layer.table(t).numpy() for t in range(3))
    assert not np.array_equal(first[:300], second)
    assert abs(first.std() * 20 - 1) < 0.05
    assert abs(second.std() * np.sqrt(300) - 1) < 0.05
    again = FastMultiEmbedding(sizes, dims, keras.initializers.VarianceScaling(seed=3))
    again.build()
    np.testing.assert_array_equal(again.embeddings, layer.embeddings)
    for given in ("zeros", "uniform", lambda shape, dtype: keras.ops.ones(shape, dtype)):
        other = FastMultiEmbedding(sizes, dims, given)
        other.build()
        assert other.table(1).shape == (300, 50)


def test_many_tables_saved_and_loaded(tmp_path):
    regularizer = keras.regularizers.L1(0.01)
    layer, _ = multi(embeddings_regularizer=regularizer, deterministic=False, name="many")
    model = keras.Sequential([keras.Input((4,), dtype="int32"), layer, keras.layers.Dense(1)])
    ids = ids_of_tables(5)
    assert float(model.losses[0]) == pytest.approx(0.01 * np.abs(layer.embeddings).sum(), rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("many").get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(ids), model(ids))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([3], [1, 2]), "`dims` must have one number for each of 1 `sizes`"),
        (([3, -1], [1, 2]), "`sizes` must be integers from 1 to .* Received: -1"),
        (([3], [1], "uniform", None, "yes"), "`deterministic` must be a bool. Received"),
    ],
)
def test_bad_arguments_of_many_tables(arguments, message):
    with pytest.raises(ValueError, match=message):
        FastMultiEmbedding(*arguments)


def test_what_many_tables_cannot():
    layer, _ = multi()
    with pytest.raises(ValueError, match=r"`inputs` must be \[..., 4\].* Received: \(2, 3\)"):
        layer(np.zeros([2, 3], "int32"))
    with pytest.raises(IndexError, match="`index` must be from 0 to 3. Received: index=4"):
        layer.table(4)
    with pytest.raises(ValueError, match="`dtype` must have variables in one of .* float64"):
        FastMultiEmbedding([3], [1], dtype="float64")


OTHER_BACKEND = """
import keras, numpy as np
from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
ids = np.array([[1, 2], [4, 0]])
layer = FastMultiEmbedding([5, 3], [2, 4])
rows = layer(ids)
expected = [np.asarray(layer.table(0))[[1, 4]], np.asarray(layer.table(1))[[2, 0]]]
assert np.array_equal(rows, np.concatenate(expected, 1))
layer = FastEmbedding(90000, 3)
assert np.array_equal(layer(ids), np.asarray(layer.embeddings)[ids])
if keras.backend.backend() == "jax":
    layers = [FastMultiEmbedding([5, 3], [2, 4]), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    before = np.asarray(layers[0](ids))
    model.fit(ids, np.ones([2, 1]), verbose=0)
    assert not np.array_equal(layers[0](ids), before)
"""


@pytest.mark.parametrize(("backend", "needs"), [("jax", "jax"), ("numpy", "scipy")])
def test_another_backend_runs_on_keras_ops(request, backend, needs):
    if "portable" in request.node.name:
        pytest.skip("other backends have no such ops")
    pytest.importorskip(needs)
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", OTHER_BACKEND]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
