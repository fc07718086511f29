"""`quantize_embed`: the embedding tables of a model as codes, in place."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import quantize_embed
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import BCQEmbedding, FastMultiEmbedding, FloatEmbedding, UniformEmbedding
from bcq_tf.layers.packed_model import PackedModel
from tests import fresh
from tests.models.packed_models import IDS, MODELS, tied
from tests.small_models import losses_of_steps, mlp

METHODS = [("uniform", 2), ("uniform", 3), ("uniform", 16), ("binary", 2)]
CLASSES = {"uniform": UniformEmbedding, "binary": BCQEmbedding}


def classifier():
    """Two tables, of which the first has a row of zeros for padding."""
    ids = keras.Input((6,), dtype="int32")
    words = L.Embedding(90, 48, mask_zero=True, name="words")
    places = L.Embedding(12, 48, name="places")
    x = words(ids) + places(keras.ops.mod(ids, 12))
    model = keras.Model(ids, L.Dense(3)(L.LSTM(8)(x)))
    words.embeddings.assign(table(90))
    places.embeddings.assign(table(12, zeros=()))
    return model


def table(rows, zeros=(0, 7)):
    matrix = np.random.default_rng(rows).normal(size=(rows, 48)).astype("float32")
    matrix[list(zeros)] = 0
    return matrix


def expected(matrix, method, nbit):
    if nbit == 16:
        return matrix.astype("float16").astype("float32")
    codes = quantize_uniform(matrix, nbit) if method == "uniform" else bcq_tf.quantize(matrix, nbit)
    return codes.reconstruct()


def with_tables(method, nbit):
    """The float model whose tables have the values that the codes stand for."""
    model = classifier()
    for name, matrix in (("words", table(90)), ("places", table(12, zeros=()))):
        model.get_layer(name).embeddings.assign(expected(matrix, method, nbit))
    return model


def pair(method, nbit):
    """(quantized model, float model of the same value, report)."""
    model, reference = classifier(), with_tables(method, nbit)
    own = [layer for layer in model.layers if not isinstance(layer, L.Embedding)]
    others = [layer for layer in reference.layers if not isinstance(layer, L.Embedding)]
    for layer, other in zip(own, others, strict=True):
        other.set_weights(layer.get_weights())
    return model, reference, quantize_embed(model, nbit, method)


def close(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=2e-6)


@pytest.mark.graphs
@pytest.mark.parametrize(("method", "nbit"), METHODS)
def test_the_model_computes_with_the_quantized_tables(method, nbit, tmp_path):
    model, reference, _ = pair(method, nbit)
    close(model(IDS), reference(IDS))
    close(model.predict(IDS, verbose=0), reference(IDS))
    kind = FloatEmbedding if nbit == 16 else CLASSES[method]
    assert type(model.get_layer("words")) is kind
    assert not model.get_layer("words")(np.array([0, 7])).numpy().any()
    np.testing.assert_array_equal(
        model.get_layer("words").embeddings, expected(table(90), method, nbit)
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, PackedModel)
    np.testing.assert_array_equal(again(IDS), model(IDS))
    assert type(again.get_layer("words")) is kind


def test_a_fresh_process_loads_the_file(tmp_path):
    model, _, _ = pair("uniform", 2)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=IDS, y=model(IDS))
    program = f"""
import keras, numpy as np, bcq_tf.layers
data = np.load(r"{tmp_path}/data.npz")
model = keras.saving.load_model(r"{tmp_path}/model.keras")
assert (model(data["x"]).numpy() == data["y"]).all()
"""
    done = fresh.run(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["attention", "recurrent", "no_config"])
@pytest.mark.parametrize("method", CLASSES)
def test_models_of_every_kind(name, method, tmp_path):
    build, x = MODELS[name]
    model = build()
    values = {v.path: v.numpy() for v in model.weights if "embedding" not in v.path}
    report = quantize_embed(model, 3, method)
    assert len(report.packed) == 1
    assert not report.dequantized
    assert {v.path: v.numpy().tolist() for v in model.weights if v.path in values} == {
        path: value.tolist() for path, value in values.items()
    }
    computed = model(x).numpy()
    assert np.isfinite(computed).all()
    if name != "no_config":
        model.save(tmp_path / "model.keras")
        np.testing.assert_array_equal(
            keras.saving.load_model(tmp_path / "model.keras")(x), computed
        )
    bcq_tf.unpack_model(model)
    close(model(x), computed)
    assert type(model) is type(build())


@pytest.mark.parametrize(("method", "nbit"), METHODS)
def test_the_float_tables_are_gone(method, nbit):
    model = classifier()
    gone = [weakref.ref(model.get_layer(name).embeddings) for name in ("words", "places")]
    floats = model.count_params() - (90 + 12) * 48
    report = quantize_embed(model, nbit, method)
    gc.collect()
    assert all(reference() is None for reference in gone)
    held = sum(v.numpy().nbytes for v in model.weights)
    assert report.nbytes == held
    assert report.float_nbytes == 4 * (floats + (90 + 12) * 48)
    if method == "uniform" and nbit < 16:
        arithmetic = (90 + 12) * 48 * nbit // 8
        assert held - 4 * floats == arithmetic + 2 * 8 + 12  # limits, and 90 marks of zero rows
        assert model.count_params() == floats + arithmetic + 4 + 12


def test_the_report_has_every_table_and_its_bytes():
    report = quantize_embed(classifier(), 2)
    lines = {
        line.path: (line.shape, line.bits, line.nbytes, line.float_nbytes) for line in report.packed
    }
    assert lines == {
        "words/embeddings": ((90, 48), 2, 90 * 12 + 8 + 12, 90 * 48 * 4),
        "places/embeddings": ((12, 48), 2, 12 * 12 + 8, 12 * 48 * 4),
    }
    assert "words/embeddings" in str(report)


@pytest.mark.parametrize(("method", "nbit"), METHODS)
def test_other_layers_train_and_the_tables_do_not(method, nbit, tmp_path):
    model, _, _ = pair(method, nbit)
    before = model.get_layer("words").embeddings.numpy()
    model.compile(keras.optimizers.Adam(0.05), "mse")
    losses = losses_of_steps(model, IDS, np.ones((3, 3)), 10)
    assert losses[-1] < losses[0] / 4
    np.testing.assert_array_equal(model.get_layer("words").embeddings, before)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))


def test_unpacking_makes_it_float_again():
    model, reference, _ = pair("uniform", 2)
    shapes = [(v.path.split("/")[-1], v.shape, v.dtype, v.trainable) for v in reference.weights]
    bcq_tf.unpack_model(model)
    assert [(v.path.split("/")[-1], v.shape, v.dtype, v.trainable) for v in model.weights] == shapes
    np.testing.assert_array_equal(model(IDS), reference(IDS))


# What cannot be replaced


@pytest.mark.parametrize("method", ["uniform", "binary"])
def test_a_table_that_computes_logits_too(method):
    model = tied()
    report = quantize_embed(model, 2, method)
    assert len(report.packed) == 1
    logits = model(IDS).numpy()
    bcq_tf.unpack_model(model)
    np.testing.assert_allclose(model(IDS), logits, atol=1e-5)


def test_a_subclass_with_a_call_of_its_own_stays_float():
    class Scaled(L.Embedding):
        def call(self, ids):
            return 2 * super().call(ids)

    class Renamed(L.Embedding):
        """Changes nothing that matters."""

    ids = keras.Input((6,), dtype="int32")
    model = keras.Model(ids, Scaled(90, 48, name="own")(ids) + Renamed(90, 48, name="same")(ids))
    before = model.get_layer("own")(IDS).numpy()
    report = quantize_embed(model, 2)
    assert [line.path for line in report.packed] == ["same/embeddings"]
    assert [(line.path, line.reason) for line in report.dequantized] == [
        ("own/embeddings", "its class Scaled has its own call")
    ]
    np.testing.assert_array_equal(model.get_layer("own")(IDS), before)
    assert isinstance(model.get_layer("same"), UniformEmbedding)


def test_every_table_has_its_own_reason_whatever_its_name():
    class Scaled(L.Embedding):
        def call(self, ids):
            return 2 * super().call(ids)

    class Tables(keras.Model):
        def __init__(self):
            super().__init__()
            self.tables = [Scaled(90, 48, name="t"), L.Embedding(1, 1, name="t")]
            self.features = FastMultiEmbedding([50, 60], [32, 32], name="t")

        def build(self, shape=None):
            for table in (*self.tables, self.features):
                table.build()
            self.built = True

        def call(self, ids):
            return [table(ids) for table in self.tables]

    model = Tables()
    model.build()
    assert len({v.path for v in model.weights}) == 1
    report = quantize_embed(model, 2)
    assert {line.shape: line.reason for line in report.dequantized} == {
        (90, 48): "its class Scaled has its own call",
        (1, 1): "packed it takes 9 bytes, float 4",
        (110 * 32,): "a FastMultiEmbedding has many tables in it",
    }


def test_tables_that_would_be_no_smaller_stay_float():
    model = classifier()
    report = quantize_embed(model, 32)
    assert not report.packed
    assert len(report.dequantized) == 2
    assert all("packed it takes" in line.reason for line in report.dequantized)
    assert type(model.get_layer("words")) is L.Embedding


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
@pytest.mark.parametrize(("method", "nbit"), METHODS[::3])
def test_precisions(policy, method, nbit):
    ids = keras.Input((6,), dtype="int32")
    model = keras.Model(ids, L.Embedding(90, 48, dtype=policy)(ids))
    quantize_embed(model, nbit, method)
    assert model(IDS).dtype == policy.removeprefix("mixed_")


@pytest.mark.parametrize(
    ("build", "settings", "message"),
    [
        (
            mlp,
            {},
            "`model` must have an Embedding layer with a float table. Received: model 'functional",
        ),
        (classifier, {"nbit": 0}, "`nbit` must be"),
        (classifier, {"method": "codebooks"}, "`method` must be one of"),
        (lambda: keras.Sequential([L.Embedding(3, 4)]), {}, "`model` must be built"),
    ],
)
def test_bad_arguments(build, settings, message):
    with pytest.raises(ValueError, match=message):
        quantize_embed(build(), **({"nbit": 2} | settings))
    with pytest.raises(TypeError, match="`model` must be a Keras model"):
        quantize_embed(L.Embedding(3, 4), 2)


def test_a_table_that_is_not_finite_is_named_and_the_model_unchanged():
    model = classifier()
    model.get_layer("places").embeddings.assign(table(12) * np.nan)
    with pytest.raises(ValueError, match="must be finite.*weight 'places/embeddings'"):
        quantize_embed(model, 2)
    assert not isinstance(model, PackedModel)


def test_a_model_whose_tables_are_all_codes_is_refused():
    model = classifier()
    quantize_embed(model, 2)
    with pytest.raises(ValueError, match="an Embedding layer with a float table"):
        quantize_embed(model, 2)
