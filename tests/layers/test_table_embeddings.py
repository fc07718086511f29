"""Embeddings of uniform and compositional codes against a Keras embedding of the same matrix."""

import dataclasses
import functools
import json
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import (
    CompositionalEmbedding,
    FastEmbedding,
    FastMultiEmbedding,
    UniformEmbedding,
)
from bcq_tf.ops import portable_ops
from tests.eager import in_steps
from tests.layers.tables import COLUMNS, IDS, ROWS, SIZES, random_codes, random_table
from tests.small_models import losses_of_steps


@dataclasses.dataclass(frozen=True)
class Kind:
    """A layer, its codes, others that fit it too, and a function that makes some of many rows."""

    layer: type
    codes: object
    others: object
    many: Callable
    settings: dict = dataclasses.field(default_factory=dict)

    def make(self, **settings):
        return self.layer.from_codes(self.codes, **self.settings, **settings)


def uniform(bits, zeros=()):
    tables = [random_table(seed, zeros=zeros) for seed in range(2)]
    codes = (quantize_uniform(table, bits) for table in tables)
    return Kind(UniformEmbedding, *codes, lambda: quantize_uniform(random_table(rows=50000), bits))


def compositional(M, K, dtype="float32", **settings):
    codes = [random_codes(M, K, seed, dtype=dtype) for seed in range(2)]
    many = functools.partial(random_codes, M, K, rows=50000, dtype=dtype)
    return Kind(CompositionalEmbedding, *codes, many, settings)


KINDS = {
    **{f"uniform, {bits} bits": lambda bits=bits: uniform(bits) for bits in range(1, 9)},
    "uniform, rows of zeros": lambda: uniform(3, zeros=(0, 33)),
    **{f"compositional, {M} of {K}": lambda M=M, K=K: compositional(M, K) for M, K in SIZES},
    "compositional, float16": lambda: compositional(8, 16, "float16"),
    "compositional, codebooks that train": lambda: compositional(8, 16, trainable_codebooks=True),
}
SOME = ["uniform, 3 bits", "uniform, rows of zeros", "compositional, 8 of 16"]
MORE = [*SOME, "compositional, float16", "compositional, codebooks that train"]


@pytest.fixture
def kind(request):
    return KINDS[request.param]()


every_kind = pytest.mark.parametrize("kind", KINDS, indirect=True)
some_kinds = pytest.mark.parametrize("kind", SOME, indirect=True)
more_kinds = pytest.mark.parametrize("kind", MORE, indirect=True)


def float_layer(matrix, **settings):
    layer = keras.layers.Embedding(*matrix.shape, **settings)
    layer.build()
    layer.set_weights([matrix])
    return layer


def check_rows(kind, policy):
    layer = kind.make(dtype=policy)
    expected = float_layer(kind.codes.reconstruct(), dtype=policy)(IDS)
    for jit in (False, True):
        rows = tf.function(layer, jit_compile=jit)(IDS)
        assert rows.dtype == layer.compute_dtype
        np.testing.assert_array_equal(tf.cast(rows, "float32"), tf.cast(expected, "float32"))
    np.testing.assert_array_equal(layer(IDS.astype("float32")), rows)


@every_kind
def test_it_computes_what_a_float_embedding_does(kind):
    check_rows(kind, "float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@some_kinds
def test_it_computes_so_in_half_precision(kind, policy):
    check_rows(kind, policy)


@every_kind
def test_it_holds_the_codes_and_no_float_table(kind):
    layer = kind.make()
    held = sum(variable.numpy().nbytes for variable in layer.variables)
    assert held == layer.nbytes == pytest.approx(kind.codes.nbytes, abs=8)
    np.testing.assert_array_equal(layer.embeddings, kind.codes.reconstruct())
    again, arrays = layer.codes, kind.codes.arrays()
    assert again.arrays().keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again.arrays()[name], array)


@more_kinds
def test_configs_and_files(kind, tmp_path):
    layer = kind.make(mask_zero=True, name="words")
    config = json.loads(json.dumps(layer.get_config()))
    assert kind.layer.from_config(config).get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((7,), dtype="int32"), layer, keras.layers.LSTM(3)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))
    assert again.get_layer("words").nbytes == layer.nbytes
    assert len(again.trainable_variables) == len(model.trainable_variables)
    model.save_weights(tmp_path / "model.weights.h5")
    again.get_layer("words").assign_codes("embeddings", kind.others)
    assert np.any(again(IDS) != model(IDS))
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(IDS), model(IDS))


@some_kinds
def test_a_file_is_as_small_as_the_codes(kind, tmp_path):
    many = kind.many()
    layer = kind.layer.from_codes(many)
    keras.Sequential([keras.Input((7,), dtype="int32"), layer]).save(tmp_path / "model.keras")
    assert layer.nbytes == pytest.approx(many.nbytes, rel=0.01)
    assert (tmp_path / "model.keras").stat().st_size < 1.05 * layer.nbytes + 20000


@some_kinds
def test_masks_and_shapes_are_those_of_an_embedding(kind):
    layer = kind.make(mask_zero=True)
    np.testing.assert_array_equal(layer.compute_mask(np.array([[0, 3, 0]])), [[False, True, False]])
    assert layer.compute_output_shape((None, 4)) == (None, 4, COLUMNS)
    assert layer(keras.Input((4,), dtype="int32")).shape == (None, 4, COLUMNS)
    assert layer(IDS[:0]).shape == (0, 7, COLUMNS)
    assert layer(np.int64(3)).shape == (COLUMNS,)


@pytest.mark.parametrize("kind", MORE[-2:], indirect=True)
def test_codes_do_not_train_and_other_layers_do(kind):
    check_training(kind)


@in_steps
@some_kinds
def test_codes_do_not_train_in_steps(kind):
    check_training(kind)


def check_training(kind):
    layer = kind.make(trainable=True)
    packed = layer.codes.packed
    model = keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = layer.embeddings.numpy()
    losses = losses_of_steps(model, IDS, np.arange(5.0)[:, np.newaxis], 40)
    assert losses[-1] < losses[0] / 10
    np.testing.assert_array_equal(layer.codes.packed, packed)
    assert np.any(layer.embeddings != before) == bool(kind.settings)
    layer.trainable = False
    assert not layer.trainable_variables


@some_kinds
def test_pack_model_takes_them_for_the_table_of_an_embedding(kind, tmp_path):
    many = kind.many()
    model = keras.Sequential(
        [keras.Input((7,), dtype="int32"), keras.layers.Embedding(50000, COLUMNS, name="words")],
        name="sequential",
    )
    bcq_tf.pack_model(model, {"sequential/words/embeddings": many})
    assert isinstance(model.get_layer("words"), kind.layer)
    np.testing.assert_array_equal(model(IDS), many.reconstruct()[IDS])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))


@pytest.mark.parametrize("wrong", [-1, ROWS])
@some_kinds
def test_an_id_that_is_no_row_is_an_error(kind, wrong):
    layer = kind.make()
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        layer(np.array([0, wrong]))
    with portable_ops():  # which cannot raise under XLA
        rows = tf.function(layer, jit_compile=True)(np.array([0, wrong]))
    assert np.isnan(rows[1]).all()


@some_kinds
def test_sizes_that_are_not_those_of_the_codes_are_refused(kind):
    weight = kind.make().packed_weights["embeddings"]
    layer = kind.layer(5, 7, packed_weights={"embeddings": weight})
    with pytest.raises(ValueError, match=r"must have a 'embeddings' of \[5, 7\]. Received: "):
        layer.build()
    for wrong in (None, "embeddings", [weight]):
        with pytest.raises(TypeError, match="`packed_weights` must be a dict. Received"):
            kind.layer(ROWS, COLUMNS, packed_weights=wrong)


@pytest.mark.parametrize("name", [native.TF_OPS, native.XLA])
@some_kinds
def test_xla_is_used_where_it_knows_the_ops(kind, name, monkeypatch):
    paths = {native.TF_OPS: "ops", native.XLA: "xla"} | {name: None}
    monkeypatch.setattr(native, "library", paths.get)
    assert kind.make().supports_jit == (name == native.TF_OPS)
    assert FastEmbedding(3, 4).supports_jit == (name == native.TF_OPS)
    assert FastMultiEmbedding([3], [4]).supports_jit == (name == native.TF_OPS)
