"""`pack_model`, `unpack_model` and `.keras` files, on every kind of Keras model."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers import BCQDense, BCQReversibleEmbedding, PackedLayer
from bcq_tf.layers.packed_model import PackedModel
from tests import fresh
from tests.models.packed_models import (
    IDS,
    MODELS,
    VECTORS,
    Tied,
    attention,
    close,
    nested,
    quantized,
    tied,
)
from tests.small_models import mlp


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


@pytest.mark.graphs
@pytest.mark.parametrize("name", MODELS)
def test_a_packed_model_computes_what_the_float_one_does(name, path):
    build, x = MODELS[name]
    model = quantized(build, path)
    expected = model(x).numpy()
    report = bcq_tf.pack_model(model, path)
    close(model(x), expected)
    close(model.predict(x, verbose=0), expected)
    assert report.packed
    assert isinstance(model, PackedModel)
    assert report.nbytes == sum(v.numpy().nbytes for v in model.weights)


@pytest.mark.parametrize("name", MODELS)
def test_unpacking_gives_the_float_model_back(name, path):
    build, x = MODELS[name]
    model = quantized(build, path)
    expected, kind = model(x).numpy(), type(model)
    labels = [(v.path, v.shape, v.dtype, v.trainable) for v in model.weights]
    bcq_tf.pack_model(model, path)
    bcq_tf.unpack_model(model)
    assert type(model) is kind
    assert [(v.path, v.shape, v.dtype, v.trainable) for v in model.weights] == labels
    np.testing.assert_array_equal(model(x), expected)
    bcq_tf.load_weights(model, path)
    bcq_tf.pack_model(model, path)
    close(model(x), expected)


@pytest.mark.parametrize("name", MODELS)
def test_keras_files_load_or_are_refused(name, path, tmp_path):
    build, x = MODELS[name]
    model = quantized(build, path)
    bcq_tf.pack_model(model, path)
    if name == "no_config":
        with pytest.raises(ValueError, match="must have a Keras config .* bcq_tf.load_model"):
            model.save(tmp_path / "model.keras")
        assert not (tmp_path / "model.keras").exists()
        return
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, PackedModel)
    np.testing.assert_array_equal(again(x), model(x))
    bcq_tf.unpack_model(again)
    bcq_tf.unpack_model(model)
    np.testing.assert_array_equal(again(x), model(x))


def test_keras_files_load_in_a_fresh_process(tmp_path):
    for name in ("attention", "nested", "convolutional"):
        build, x = MODELS[name]
        model = quantized(build, tmp_path / "model.bcq.npy")
        bcq_tf.pack_model(model, tmp_path / "model.bcq.npy")
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", x=x, y=model(x))
    program = f"""
import keras, numpy as np, bcq_tf.layers
for name in ("attention", "nested", "convolutional"):
    model = keras.saving.load_model(r"{tmp_path}/" + name + ".keras")
    data = np.load(r"{tmp_path}/" + name + ".npz")
    assert (model(data["x"]).numpy() == data["y"]).all(), name
"""
    done = fresh.run(program)
    assert done.returncode == 0, done.stderr


def test_a_model_that_its_config_does_not_build_is_not_saved(path, tmp_path):
    class Unbuilt(Tied):
        def get_config(self):
            return {"name": self.name}

        def build(self, shape=None):
            self.built = True

    keras.saving.register_keras_serializable("tests")(Unbuilt)
    model = Unbuilt()
    model(IDS)
    bcq_tf.quantize_model(model, effort="low", filepath=path)
    bcq_tf.pack_model(model, path)
    with pytest.raises(
        ValueError, match="must be made again by its Keras config to be saved: give"
    ):
        model.save(tmp_path / "model.keras")
    assert not (tmp_path / "model.keras").exists()


def test_an_inner_model_can_be_saved_alone(path, tmp_path):
    model = quantized(nested, path)
    bcq_tf.pack_model(model, path)
    inner = model.get_layer("inner")
    inner.save(tmp_path / "inner.keras")
    again = keras.saving.load_model(tmp_path / "inner.keras")
    np.testing.assert_array_equal(again(VECTORS), inner(VECTORS))


# What is packed, and what is not


def test_the_float_weights_are_gone(path):
    layers = [L.Embedding(90, 48), L.Flatten(), L.Dense(70)]
    model = quantized(lambda: keras.Sequential([keras.Input((6,), dtype="int32"), *layers]), path)
    model.compile("adam", "mse")
    model.fit(IDS, np.zeros((3, 70)), verbose=0)
    matrices = [v for v in model.weights if v.name in ("kernel", "embeddings")]
    gone = [weakref.ref(v) for v in matrices] + [weakref.ref(v.value) for v in matrices]
    before = model.count_params()
    del matrices
    report = bcq_tf.pack_model(model, path)
    gc.collect()
    assert all(reference() is None for reference in gone)
    assert model.count_params() < before / 2
    assert report.nbytes < report.float_nbytes / 2
    assert not report.dequantized


def test_what_stays_float_and_why(path):
    @keras.saving.register_keras_serializable(package="tests")
    class Scaled(L.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Renamed(L.Dense):
        def describe(self):
            return f"{self.units} units"

    x = keras.Input((6, 64))
    y = L.LSTM(64, return_sequences=True, name="lstm")(Scaled(64, name="scaled")(x))
    y = L.Conv1D(64, 3, name="wide")(Renamed(64, name="renamed")(y))
    y = L.EinsumDense("abc,bcd->abd", (4, 64), name="positions")(y)
    y = L.Dense(64, dtype="float64", name="double")(L.Dense(2, name="narrow")(y))
    model = keras.Model(x, y)
    report = bcq_tf.quantize_model(
        model, effort="low", filepath=path, rules={"double/*": {"bits": 1}}
    )
    assert {"narrow/kernel", "double/kernel"} <= set(report.codes)
    data = np.random.default_rng(0).normal(size=(2, 6, 64)).astype("float32")
    expected = model(data).numpy()
    report = bcq_tf.pack_model(model, path)
    close(model(data), expected)
    assert [line.path for line in report.packed] == [
        "lstm/lstm_cell/kernel",
        "lstm/lstm_cell/recurrent_kernel",
        "renamed/kernel",
        "wide/kernel",
        "positions/kernel",
    ]
    assert model.get_layer("renamed").describe() == "64 units"
    reasons = {line.path: line.reason for line in report.dequantized}
    assert reasons == {
        "scaled/kernel": "its class Scaled has its own call",
        "narrow/kernel": "packed it takes 1,920 bytes, float 512",
        "double/kernel": "it computes in float64",
    } | {"narrow/kernel": reasons["narrow/kernel"]}
    assert "bytes, float 512" in reasons["narrow/kernel"]
    text = str(report)
    assert all(reason in text for reason in reasons.values())
    assert report.to_dict()["dequantized"][0]["nbytes"] == 4 * 64 * 64
    bcq_tf.unpack_model(model)
    assert type(model.get_layer("renamed")) is Renamed


def test_reasons_do_not_depend_on_the_names_of_layers(path):
    def wide():
        x = keras.Input((8, 8, 64))
        return keras.Model(x, L.Conv2D(64, 3, dtype="float64")(x))  # named conv2d, conv2d_1, ...

    quantized(wide, path)
    for model in (wide(), wide()):
        (line,) = bcq_tf.pack_model(model, path).dequantized
        assert (line.path, line.reason) == (
            model.layers[1].kernel.path,
            "it computes in float64",
        )


class SharedVariable(keras.Model):
    """Two layers hold one variable."""

    def __init__(self, own_way):
        super().__init__()
        self.first, self.second = L.Dense(64), L.Dense(64, use_bias=False)
        self.own_way = own_way

    def build(self, shape):
        self.first.build((None, 64))
        self.second.build((None, 64))
        self.second._untrack_variable(self.second._kernel)
        self.second._kernel = None
        if self.own_way:
            self.held = self.first._kernel
        else:
            with bcq_tf._keras.unlocked(self.second):
                self.second._kernel = self.first._kernel

    def call(self, x):
        return tf.matmul(self.first(x), self.held) if self.own_way else self.second(self.first(x))


@pytest.mark.parametrize("own_way", [False, True])
def test_a_weight_that_two_layers_hold(own_way, path):
    model = SharedVariable(own_way)
    x = np.random.default_rng(0).normal(size=(3, 64)).astype("float32")
    model(x)
    bcq_tf.quantize_model(model, effort="low", filepath=path)
    expected = model(x).numpy()
    report = bcq_tf.pack_model(model, path)
    close(model(x), expected)
    if own_way:
        assert "holds it too, in a way of its own" in report.dequantized[0].reason
    else:
        assert model.second.kernel_tiles is model.first.kernel_tiles
        assert len(report.packed) == 1
        bcq_tf.unpack_model(model)
        close(model(x), expected)
        assert model.second._kernel is model.first._kernel


class OneMore(L.Dense):
    """A known layer with a weight that its type does not tell of."""

    def __init__(self, units):
        super().__init__(units)
        self.more = self.add_weight(shape=(64, 64), name="more")


def test_a_weight_of_its_own_in_a_known_layer_stays_float(path):
    model = keras.Sequential([keras.Input((64,)), OneMore(64)])
    bcq_tf.quantize_model(model, 3, {"*/more": {"axes": [1]}}, filepath=path)
    report = bcq_tf.pack_model(model, path)
    assert len(report.packed) == 1
    assert "holds it in a way of its own" in report.dequantized[0].reason


def test_codes_by_path():
    model = mlp()
    codes = bcq_tf.quantize_model(model, effort="low").codes
    expected = model(VECTORS).numpy()
    del codes["output/kernel"]
    report = bcq_tf.pack_model(model, codes)
    close(model(VECTORS), expected)
    assert [line.path for line in report.packed] == ["hidden/kernel"]
    assert "output/kernel" in [line.path for line in report.floats]


def test_what_read_returned(path):
    model = quantized(mlp, path)
    expected = model(VECTORS).numpy()
    bcq_tf.pack_model(model, bcq_tf.read(path), precision="fast")
    np.testing.assert_allclose(model(VECTORS), expected, atol=0.02 * np.abs(expected).max())


def test_the_layers_stay_the_same_objects(path):
    model = quantized(tied, path)
    table, hidden = model.table, model.hidden
    bcq_tf.pack_model(model, path)
    assert model.table is table
    assert type(table) is BCQReversibleEmbedding
    assert type(hidden) is BCQDense
    assert isinstance(hidden, L.Dense)
    assert isinstance(hidden, PackedLayer)


def test_kerashub_layers(path, tmp_path):
    hub = pytest.importorskip("keras_hub")

    def build():
        ids = keras.Input((6,), dtype="int32")
        table = hub.layers.TokenAndPositionEmbedding(90, 12, 48)
        x = hub.layers.TransformerDecoder(96, 4)(hub.layers.TransformerEncoder(96, 4)(table(ids)))
        logits = hub.layers.ReversibleEmbedding(90, 48)
        logits.build()
        return keras.Model(ids, L.Dense(70)(x))

    model = quantized(build, path, rules={"*position*": {"bits": 2}})
    expected = model(IDS).numpy()
    report = bcq_tf.pack_model(model, path)
    close(model(IDS), expected)
    assert not report.dequantized
    assert len(report.packed) == 1 + 1 + 6 + 6 + 1
    model.save(tmp_path / "model.keras")
    close(keras.saving.load_model(tmp_path / "model.keras")(IDS), expected)
    bcq_tf.unpack_model(model)
    np.testing.assert_array_equal(model(IDS), expected)


@pytest.mark.graphs
def test_eight_threads_get_the_same_results(path):
    model = quantized(attention, path)
    bcq_tf.pack_model(model, path)
    function = tf.function(model)
    expected = function(IDS).numpy()
    wrong = []

    def run():
        for _ in range(20):
            if np.any(function(IDS).numpy() != expected):
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.graphs
def test_without_a_gpu(path):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    model = quantized(mlp, path)
    expected = model(VECTORS).numpy()
    bcq_tf.pack_model(model, path)

    @tf.function
    def on_gpu(x):
        with tf.device("/GPU:0"):
            return model(x)

    close(on_gpu(VECTORS), expected)  # TensorFlow places it where it can
