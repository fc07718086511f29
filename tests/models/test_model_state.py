"""A model comes back whole: what layers compute from weights, vocabularies, metrics, states."""

import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.models.state import ModelState

WORDS = ["the cat sat on the mat", "a dog ran"]
TEXT = tf.constant(["the dog sat", "on unknown ground"])
ROWS = np.random.default_rng(0).normal(10, 2, (6, 32)).astype("float32")


def normalization():
    layer = L.Normalization()
    layer.adapt(np.array([[8.0] * 32, [12.0] * 32]))
    return keras.Sequential([keras.Input((32,)), layer, L.Dense(64)]), ROWS


def normalization_in_a_model_in_a_model():
    inner, x = normalization()
    return keras.Sequential([keras.Input((32,)), inner, L.Dense(66)]), x


def unnormalization():
    layer = L.Normalization(invert=True)
    layer.adapt(ROWS)
    return keras.Sequential([keras.Input((32,)), L.Dense(32), layer]), ROWS


def discretization():
    layer = L.Discretization(num_bins=7)
    layer.adapt(ROWS)
    return keras.Sequential([keras.Input((32,)), layer, L.Embedding(8, 32), L.Flatten()]), ROWS


def text_model(**settings):
    layer = L.TextVectorization(**settings)
    layer.adapt(WORDS)
    layers = [L.Embedding(16, 32), L.Flatten()]
    if settings.get("output_mode", "int") != "int":
        layers = [L.Dense(40)]
    return keras.Sequential([keras.Input((), dtype="string"), layer, *layers]), TEXT


def text():
    return text_model(output_sequence_length=5)


def tf_idf():
    return text_model(output_mode="tf_idf", pad_to_max_tokens=True, max_tokens=9)


def string_lookup():
    layer = L.StringLookup()
    layer.adapt([w for line in WORDS for w in line.split()])
    x = tf.constant([["cat", "dog"], ["bird", "a"]])
    inputs = keras.Input((2,), dtype="string")
    return keras.Model(inputs, L.Flatten()(L.Embedding(16, 32)(layer(inputs)))), x


def integer_lookup():
    layer = L.IntegerLookup()
    layer.adapt([[700], [5], [-3]])
    inputs = keras.Input((2,), dtype="int64")
    model = keras.Model(inputs, L.Flatten()(L.Embedding(6, 32)(layer(inputs))))
    return model, np.array([[5, 700], [9, -3]])


@keras.saving.register_keras_serializable(package="tests")
class Counting(L.Layer):
    """Keeps a number and a derived array, neither of them a variable, in a way of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.count, self.doubled = 0, None

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="uniform", name="scale")

    def call(self, x):
        return x * (self.scale if self.doubled is None else self.doubled) + self.count

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["count"] = self.count

    def load_own_variables(self, store):
        self.scale.assign(store["0"])
        self.count = int(store["count"])
        self.doubled = 2.0 * np.array(store["0"])


def own_state():
    layer = Counting()
    model = keras.Sequential([keras.Input((32,)), layer, L.Dense(40)])
    layer.count, layer.doubled = 7, 2.0 * layer.scale.numpy()
    return model, ROWS


MODELS = {
    build.__name__: build
    for build in (
        normalization,
        normalization_in_a_model_in_a_model,
        unnormalization,
        discretization,
        text,
        tf_idf,
        string_lookup,
        integer_lookup,
        own_state,
    )
}


def fresh(build):
    """A model of the same architecture that has seen no data."""
    model, _ = build()
    return type(model).from_config(model.get_config())


def answers(model, x):
    return np.asarray(model(x))


@pytest.fixture(params=MODELS)
def saved(request, tmp_path):
    """(the model's builder, its input, its answers when it was quantized, the file)."""
    build = MODELS[request.param]
    model, x = build()
    path = tmp_path / "model.bcq.npy"
    bcq_tf.quantize_model(model, 3, {"*": 3}, effort="low", filepath=path)
    return build, x, answers(model, x), path


@pytest.mark.parametrize("packed", [True, False])
def test_from_the_file_alone(saved, packed):
    _, x, expected, path = saved
    model = bcq_tf.load_model(path, packed=packed)
    np.testing.assert_allclose(answers(model, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("put", [bcq_tf.load_weights, bcq_tf.pack_model])
def test_into_a_fresh_model(saved, put):
    build, x, expected, path = saved
    model = fresh(build)
    put(model, path)
    np.testing.assert_allclose(answers(model, x), expected, rtol=1e-5, atol=1e-5)


def test_from_a_packed_keras_file(saved, tmp_path):
    _, x, expected, path = saved
    bcq_tf.load_model(path).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(answers(model, x), expected, rtol=1e-5, atol=1e-5)


def test_a_loaded_model_is_written_again(saved, tmp_path):
    _, x, _, path = saved
    model = bcq_tf.load_model(path, packed=False)
    bcq_tf.quantize_model(model, 3, {"*": 3}, effort="low", filepath=tmp_path / "again.bcq.npy")
    expected = answers(model, x)
    again = bcq_tf.load_model(tmp_path / "again.bcq.npy")
    np.testing.assert_allclose(answers(again, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("build", [normalization, text], ids=lambda build: build.__name__)
def test_an_export_answers_as_the_model(build, tmp_path):
    model, x = build()
    bcq_tf.quantize_model(model, 3, {"*": 3}, effort="low", filepath=tmp_path / "m.bcq.npy")
    packed = bcq_tf.load_model(tmp_path / "m.bcq.npy")
    bcq_tf.export_saved_model(packed, tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(tf.constant(x)), answers(model, x), atol=1e-5)


def test_an_export_that_cannot_be_says_so_in_a_line(tmp_path):
    model, _ = string_lookup()
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 3, effort="low").codes)
    with pytest.raises(
        ValueError, match="`model` must use operations that ONNX .*Lookup"
    ) as raised:
        bcq_tf.export_onnx(model, tmp_path / "m.onnx")
    assert "\n" not in str(raised.value)


def test_equal_vocabularies_are_in_the_file_once(tmp_path):
    model, _ = text()
    bcq_tf.quantize_model(model, 3, filepath=tmp_path / "m.bcq.npy")
    opened = bcq_tf.read(tmp_path / "m.bcq.npy")
    assert len(opened.metadata["assets"]) == 2  # of the layer, and of the look-up inside it
    assert [name for name in opened if name.startswith("assets:")] == [
        "assets:/layers/#0/vocabulary.txt"
    ]


def test_a_long_vocabulary_takes_fewer_bytes(tmp_path):
    words = [f"word{i}" for i in range(2000)]
    vocabulary = keras.layers.TextVectorization(output_sequence_length=3)
    vocabulary.adapt(words)
    layers = [vocabulary, keras.layers.Embedding(2002, 32)]
    model = keras.Sequential([keras.Input((), dtype="string"), *layers])
    path = tmp_path / "m.bcq.npy"
    bcq_tf.quantize_model(model, 3, filepath=path)
    opened = bcq_tf.read(path)
    packed = sum(value.nbytes for name, value in opened.items() if name.startswith("assets:"))
    assert 0 < packed < sum(map(len, words)) / 2
    for options in ({}, {"packed": False}, {"model": keras.models.clone_model(model)}):
        loaded = bcq_tf.load_model(path, **options)
        assert loaded.layers[0].get_vocabulary() == vocabulary.get_vocabulary()
    report = bcq_tf.Report.of(opened, opened.metadata)
    assert len(report.chosen) == 1


def test_deflated_bytes_of_another_size_are_refused(tmp_path):
    tensors = {"octets": np.frombuffer(zlib.compress(b"a" * 50), np.uint8)}
    metadata = {"assets": {"/layers/#0": {"v.txt": ["octets", 49]}}}
    with pytest.raises(bcq_tf.FileFormatError, match=r"asset 'v.txt' is no file of 49 bytes"):
        ModelState.from_file(tensors, metadata, weights=0)


def test_state_of_the_best_epoch_comes_back_when_training_ends():
    model, _ = own_state()
    counting = model.layers[0]

    class Count(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            counting.count = 10 + epoch

    model.compile(keras.optimizers.SGD(-1e-3), "mse")  # climbs: the first epoch is the best
    data = ROWS, np.zeros((6, 40), "float32")
    callback = bcq_tf.BCQCallback(bits=3)
    model.fit(*data, validation_data=data, epochs=3, verbose=0, callbacks=[Count(), callback])
    assert counting.count == 10


def test_vocabularies_are_collected_once_in_a_fit(monkeypatch):
    model, x = text()
    saved, lookup = [], model.layers[0]
    save = lookup.save_assets
    monkeypatch.setattr(lookup, "save_assets", lambda folder: (saved.append(1), save(folder)))
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    data = x, np.zeros((2, 160), "float32")
    kept = bcq_tf.BCQCallback(bits=3, rules={"*": 3}, monitor="step", mode="max")
    counts = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(step=epoch)
    )
    model.fit(*data, epochs=3, verbose=0, callbacks=[counts, kept])
    assert kept.best == 2
    assert len(saved) == 1


# Metrics, seeds, states


@keras.saving.register_keras_serializable(package="tests")
class Autoencoder(keras.Model):
    """As keras.io's examples: its own steps, its own loss tracker, noise from a seed generator."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = L.Dense(40), L.Dense(32)
        self.noise = keras.random.SeedGenerator(1)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.trackers = [keras.metrics.MeanSquaredError(name="mse")]

    @property
    def metrics(self):
        return [self.loss_tracker, *self.trackers]

    def build(self, shape):
        self.encoder.build(shape)
        self.decoder.build((None, 40))

    def call(self, x):
        code = self.encoder(x)
        return self.decoder(code + 0.01 * keras.random.normal(tf.shape(code), seed=self.noise))

    def test_step(self, data):
        y = self(data)
        self.loss_tracker.update_state(tf.reduce_mean(tf.square(data - y)))
        self.trackers[0].update_state(data, y)
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self):
        return {"name": self.name}


@pytest.mark.parametrize("packed", [True, False])
def test_metrics_and_seeds_of_a_model_work_after_loading(packed, tmp_path):
    model = Autoencoder()
    model.build((None, 32))
    bcq_tf.quantize_model(model, 3, filepath=tmp_path / "m.bcq.npy")
    again = bcq_tf.load_model(tmp_path / "m.bcq.npy", packed=packed)
    for each in (model, again):
        each.compile()
    expected = model.evaluate(ROWS, verbose=0, return_dict=True)
    found = again.evaluate(ROWS, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)


# Files


def test_a_file_of_a_model_with_other_parts_warns(tmp_path):
    model, _ = text()
    bcq_tf.quantize_model(model, 3, filepath=tmp_path / "m.bcq.npy")
    bare = keras.Sequential([keras.Input((5,), dtype="int64"), L.Embedding(16, 32), L.Flatten()])
    with pytest.warns(UserWarning, match=r"`model` lacks layers .* not loaded: '/layers/#0'"):
        bcq_tf.load_weights(bare, tmp_path / "m.bcq.npy")


@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "/out.txt",
        "a/../../out.txt",
        "",
        ".",
        "a//b",
        "a\\b",
        "c:out",
        "a\n",
        "x" * 300,
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(name, tmp_path):
    path = tmp_path / "m.bcq.npy"
    model, _ = text()
    bcq_tf.quantize_model(model, 3, filepath=path)
    opened = bcq_tf.read(path)
    tensor = "assets:/layers/#0/vocabulary.txt"
    assets = {"/layers/#0": {name: tensor}}
    bcq_tf.save(path, dict(opened), opened.metadata | {"assets": assets})
    with pytest.raises(bcq_tf.FileFormatError, match="its metadata's assets are wrong at"):
        bcq_tf.load_model(path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.bcq.npy"]


@pytest.mark.parametrize(
    ("field", "table"),
    [
        ("assets", []),
        ("assets", {"/layers/#0": 3}),
        ("assets", {"/layers/#0": {"vocabulary.txt": 0}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": "nothing"}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": "floats"}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": ["floats", 3]}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": ["octets", -1]}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": ["octets", True]}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": ["octets", 1, 2]}}),
        ("assets", {"/layers/#0": {"vocabulary.txt": [["octets"], 1]}}),
        ("states", {"/layers/#0": {"count": -1}}),
        ("states", {"/layers/#0": {"count": 99}}),
        ("states", {"/layers/#0": {"count": 1}}),  # a tensor, but no weight
        ("states", {"/layers/#0": {"count": True}}),
        ("states", {"/layers/#0": {"count": None}}),
        ("states", "text"),
    ],
)
def test_tables_that_contradict_the_file(field, table):
    tensors = {name: np.zeros(3, np.float32) for name in ("0:kernel", "floats")}
    tensors["octets"] = np.zeros(3, np.uint8)
    with pytest.raises(bcq_tf.FileFormatError, match=f"its metadata's {field} are"):
        ModelState.from_file(tensors, {field: table}, weights=1)
