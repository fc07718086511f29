"""Tables that are codes already stay as they are while the other layers are quantized."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import quantize_embed
from bcq_tf.embeddings import additive_codes
from bcq_tf.layers import CompositionalEmbedding, QuantEmbedding
from bcq_tf.layers.packed_model import PackedModel
from tests.eager import eagerly

WORDS = 90
IDS = np.random.default_rng(0).integers(0, WORDS, (64, 6)).astype("int32")
LABELS = (IDS.sum(axis=1) % 2).astype("float32")
TABLE = np.random.default_rng(1).normal(size=(WORDS, 48)).astype("float32")


def classifier(embedding):
    x = keras.Input((6,), dtype="int32")
    h = L.Dense(64, "relu", name="hidden")(L.Flatten()(embedding(x)))
    model = keras.Model(x, L.Dense(1, name="output")(h))
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def replaced(nbit, method):
    embedding = L.Embedding(WORDS, 48, name="table")
    model = classifier(embedding)
    embedding.embeddings.assign(TABLE)
    quantize_embed(model, nbit, method)
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def compositional():
    codes = additive_codes(TABLE, 4, 8)
    return CompositionalEmbedding.from_codes(codes, trainable_codebooks=True, name="table")


MODELS = {
    "replaced by uniform codes": lambda: replaced(4, "uniform"),
    "replaced by binary codes": lambda: replaced(2, "binary"),
    "replaced by float16": lambda: replaced(16, "uniform"),
    "made of uniform codes": lambda: classifier(
        QuantEmbedding(WORDS, 48, 4, weights=TABLE, name="table")
    ),
    "made of compositional codes": lambda: classifier(compositional()),
}


def codes_of_table(model):
    return [v.numpy() for v in model.get_layer("table").weights if not v.trainable]


def train(model, path, **settings):
    callback = bcq_tf.BCQCallback(path, 2, every_n_steps=4, **settings)
    data = {"validation_data": (IDS, LABELS), "batch_size": 32, "epochs": 2, "verbose": 0}
    model.fit(IDS, LABELS, callbacks=[callback], **data)
    return callback


def assert_others_are_quantized(model, before, report, path):
    assert [weight.path for weight in report.chosen] == ["hidden/kernel", "output/kernel"]
    reasons = {weight.path: weight.reason for weight in report.skipped}
    assert set(reasons.values()) == {"bias", "its layer is packed"}
    assert report.nbytes == path.stat().st_size
    for old, new in zip(before, codes_of_table(model), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture(scope="module", params=MODELS)
def trained(request, tmp_path_factory):
    """(the kind, a model that was trained, its file, the callback that did); not to be changed."""
    keras.utils.set_random_seed(0)
    model, path = MODELS[request.param](), tmp_path_factory.mktemp("trained") / "m.bcq.npy"
    before = codes_of_table(model)
    with eagerly():
        callback = train(model, path)
    assert_others_are_quantized(model, before, callback.report, path)
    return request.param, model, path, callback


@pytest.mark.parametrize(
    "kind",
    [
        "replaced by uniform codes",
        pytest.param("made of compositional codes", marks=pytest.mark.graphs),
    ],
)
def test_the_other_layers_are_quantized_while_they_train_latently(kind, tmp_path):
    model = MODELS[kind]()
    before = codes_of_table(model)
    report = train(model, tmp_path / "m.bcq.npy", latent=True).report
    assert_others_are_quantized(model, before, report, tmp_path / "m.bcq.npy")


@pytest.mark.parametrize("packed", [True, False])
def test_the_file_makes_the_model_again(trained, packed):
    _, model, path, _ = trained
    again = bcq_tf.load_model(path, packed=packed)
    assert isinstance(again.get_layer("hidden"), bcq_tf.layers.BCQDense) == packed
    assert type(again.get_layer("table")) is type(model.get_layer("table"))
    np.testing.assert_allclose(again(IDS), model(IDS), rtol=1e-4, atol=1e-5)


def test_training_goes_on_from_the_file(trained, tmp_path):
    kind, _, path, callback = trained
    again = MODELS[kind]()
    bcq_tf.load_weights(again, path)
    assert train(again, tmp_path / "m.bcq.npy").best <= callback.best


@pytest.fixture(params=MODELS)
def model(request):
    keras.utils.set_random_seed(0)
    return MODELS[request.param]()


def test_packing_the_rest_saving_and_unpacking(model, tmp_path):
    kind = type(model.get_layer("table"))
    codes = bcq_tf.quantize_model(model, 2).codes
    expected = model(IDS)
    bcq_tf.pack_model(model, codes)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    for packed in (model, again):
        assert isinstance(packed, PackedModel)
        assert type(packed.get_layer("table")) is kind
        assert isinstance(packed.get_layer("hidden"), bcq_tf.layers.BCQDense)
        np.testing.assert_allclose(packed(IDS), expected, rtol=1e-4, atol=1e-5)
    bcq_tf.unpack_model(again)
    assert not isinstance(again, PackedModel)
    np.testing.assert_allclose(again(IDS), expected, rtol=1e-4, atol=1e-5)


def test_unpacking_leaves_tables_that_were_made_of_codes():
    model = MODELS["made of uniform codes"]()
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 2).codes)
    bcq_tf.unpack_model(model)
    assert type(model.get_layer("table")) is QuantEmbedding
    assert type(model.get_layer("hidden")) is L.Dense


@pytest.mark.graphs
def test_a_packed_model_inside_of_another(tmp_path):
    inner = MODELS["replaced by uniform codes"]()
    x = keras.Input((6,), dtype="int32")
    outer = keras.Model(x, L.Dense(3, name="last")(inner(x)))
    report = bcq_tf.quantize_model(outer, 2, {"last*": 4}, filepath=tmp_path / "m.bcq.npy")
    assert len(report.chosen) == 3
    expected = outer.predict(IDS, verbose=0)
    bcq_tf.pack_model(outer, report.codes)
    outer.save(tmp_path / "m.keras")
    for again in (
        outer,
        keras.saving.load_model(tmp_path / "m.keras"),
        bcq_tf.load_model(tmp_path / "m.bcq.npy"),
    ):
        np.testing.assert_allclose(again.predict(IDS, verbose=0), expected, rtol=1e-4, atol=1e-5)
