"""FastMultiEmbedding against Keras's embeddings side by side."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
from tests.layers.training import train

# Each test runs on the compiled ops and on the plain TensorFlow ones.
pytestmark = pytest.mark.usefixtures("ops")
SIZES, DIMS = [5, 30, 1, 12], [3, 8, 1, 5]


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
    layer, _ = multi(embeddings_initializer=keras.initializers.RandomUniform(seed=1))
    found = train(layer, ids_of_tables(60), optimizer(0.05), jit_compile=jit)
    np.testing.assert_allclose(found, trained_singly(optimizer), rtol=1e-4, atol=1e-5)


@functools.cache
def trained_singly(optimizer):
    layer, _ = multi(embeddings_initializer=keras.initializers.RandomUniform(seed=1))
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

    return train(Concatenated(), ids_of_tables(60), optimizer(0.05))


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
        (([3, -1], [1, 2]), "`sizes` must be an integer from 1 to .* Received: sizes=-1"),
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
