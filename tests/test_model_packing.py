"""`pack_model`, `unpack_model` and `.keras` files, on every kind of Keras model."""

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers import BCQDense, BCQEmbedding, BCQReversibleEmbedding, PackedLayer
from bcq_tf.layers.packed_model import PackedModel
from tests.models import mlp

ROOT = Path(__file__).parents[1]
IDS = np.random.default_rng(0).integers(1, 90, (3, 12)).astype("int32")
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8, 40)).astype("float32")
VECTORS = np.random.default_rng(0).normal(size=(5, 32)).astype("float32")


def sequential():
    return keras.Sequential([keras.Input((32,)), L.Dense(64, "relu"), L.Dense(70)])


def attention():
    ids = keras.Input((12,), dtype="int32")
    x = L.Embedding(90, 48, mask_zero=True)(ids)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(4, 12)(x, x))
    x = L.GroupQueryAttention(16, 4, 2)(x, x)
    return keras.Model(ids, L.Dense(70)(x))


def nested():
    inner = keras.Sequential([keras.Input((32,)), L.Dense(80, "relu"), L.Dense(64)], name="inner")
    x = keras.Input((32,))
    shared = L.Dense(64, "tanh")
    return keras.Model(x, L.Dense(66)(shared(inner(x)) + shared(L.Dense(64)(inner(x)))))


def recurrent():
    ids = keras.Input((12,), dtype="int32")
    x = L.Bidirectional(L.GRU(32, return_sequences=True))(L.Embedding(90, 48)(ids))
    x = L.TimeDistributed(L.Dense(64))(x)
    return keras.Model(ids, L.Dense(70)(L.LSTM(40)(x)))


def convolutional():
    x = keras.Input((8, 8, 40))
    y = L.Conv2D(48, 3, padding="same", activation="relu")(x)
    y = L.BatchNormalization()(L.Conv2D(96, 1, strides=2)(y))
    y = L.SeparableConv2D(64, 3)(y)
    return keras.Model(x, L.Dense(70)(L.GlobalAveragePooling2D()(y)))


@keras.saving.register_keras_serializable(package="tests")
class Tied(keras.Model):
    """A subclassed model with a config; look-up and logits from one table."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = L.ReversibleEmbedding(90, 48)
        self.hidden = L.Dense(48, "gelu")

    def build(self, shape=None):
        self.table.build()
        self.hidden.build((None, None, 48))
        self.built = True

    def call(self, ids):
        return self.table(self.hidden(self.table(ids)), reverse=True)


class NoConfig(keras.Model):
    """A subclassed model without a config, which reads a table's float value itself."""

    def __init__(self, units):
        super().__init__()
        self.table = L.Embedding(90, 48)
        self.hidden = L.Dense(units)

    def call(self, ids):
        x = self.hidden(self.table(ids))
        return tf.matmul(x, self.table.embeddings, transpose_b=True)


def no_config():
    model = NoConfig(48)
    model(IDS)
    return model


def tied():
    model = Tied()
    model.build()
    return model


MODELS = {
    "mlp": (mlp, VECTORS),
    "sequential": (sequential, VECTORS),
    "attention": (attention, IDS),
    "nested": (nested, VECTORS),
    "recurrent": (recurrent, IDS),
    "convolutional": (convolutional, IMAGES),
    "tied": (tied, IDS),
    "no_config": (no_config, IDS),
}


def quantized(build, path, **settings):
    """The float model of the codes' values; its file stands at `path`."""
    model = build()
    bcq_tf.quantize_model(model, effort="low", filepath=path, **settings)
    return model


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


# All kinds of models


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
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
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
    with pytest.raises(ValueError, match="must be built by its Keras config"):
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
    model = quantized(attention, path)
    model.compile("adam", "mse")
    model.fit(IDS, np.zeros((3, 12, 70)), verbose=0)
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
    assert [line.path for line in report.packed] == ["renamed/kernel"]
    assert model.get_layer("renamed").describe() == "64 units"
    reasons = {line.path: line.reason for line in report.dequantized}
    assert reasons == {
        "lstm/lstm_cell/kernel": "layers of type LSTMCell compute from float weights",
        "lstm/lstm_cell/recurrent_kernel": "layers of type LSTMCell compute from float weights",
        "scaled/kernel": "its class Scaled has its own call",
        "wide/kernel": "a convolution of kernel size (3,)",
        "positions/kernel": "equation 'abc,bcd->abd' keeps the axis 'b' of both input and weight",
        "narrow/kernel": "packed it takes 1,920 bytes, float 512",
        "double/kernel": "it computes in float64",
    } | {"narrow/kernel": reasons["narrow/kernel"]}
    assert "bytes, float 512" in reasons["narrow/kernel"]
    text = str(report)
    assert all(reason in text for reason in reasons.values())
    assert report.to_dict()["dequantized"][0]["nbytes"] == 4 * 64 * 64
    bcq_tf.unpack_model(model)
    assert type(model.get_layer("renamed")) is Renamed


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


def test_kerashub_layers(path):
    hub = pytest.importorskip("keras_hub")

    def build():
        ids = keras.Input((12,), dtype="int32")
        table = hub.layers.TokenAndPositionEmbedding(90, 12, 48)
        x = hub.layers.TransformerDecoder(96, 4)(hub.layers.TransformerEncoder(96, 4)(table(ids)))
        logits = hub.layers.ReversibleEmbedding(90, 48)
        logits.build()
        return keras.Model(ids, L.Dense(70)(x))

    model = quantized(build, path, rules={"*position*": {"bits": 2}})
    expected = model(IDS).numpy()
    report = bcq_tf.pack_model(model, path)
    close(model(IDS), expected)
    assert [line.reason for line in report.dequantized] == [
        "layers of type PositionEmbedding compute from float weights"
    ]
    assert len(report.packed) == 1 + 6 + 6 + 1
    bcq_tf.unpack_model(model)
    np.testing.assert_array_equal(model(IDS), expected)


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


# Training


def test_training_needs_scales_that_train(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must have trainable scales .* trainable_scales=True"):
        model.fit(VECTORS, np.zeros((5, 4)), verbose=0)
    with pytest.raises(ValueError, match="must have trainable scales"):
        model.train_on_batch(VECTORS, np.zeros((5, 4)))
    model.evaluate(VECTORS, np.zeros((5, 4)), verbose=0)


def test_scales_train_and_codes_do_not(path, tmp_path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path, trainable_scales=True)
    tiles = model.get_layer("hidden").kernel_tiles.numpy()
    scales = model.get_layer("hidden").kernel_scales.numpy()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    losses = model.fit(VECTORS, np.ones((5, 4)), epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
    np.testing.assert_array_equal(model.get_layer("hidden").kernel_tiles, tiles)
    assert np.any(model.get_layer("hidden").kernel_scales.numpy() != scales)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(VECTORS), model(VECTORS))


def test_codes_cannot_be_made_trainable(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    model.compile("sgd", "mse")
    model.get_layer("hidden").kernel_tiles.trainable = True
    with pytest.raises(ValueError, match="codes do not train"):
        model.fit(VECTORS, np.zeros((5, 4)), verbose=0)


def test_a_packed_model_is_not_quantized_again(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    with pytest.raises(ValueError, match="must not be packed"):
        bcq_tf.quantize_model(model)


# Bad input: the model stays as it is


def refused(model, codes, message, error=ValueError, **settings):
    before, kinds = model.get_weights(), [type(layer) for layer in model.layers]
    with pytest.raises(error, match=message):
        bcq_tf.pack_model(model, codes, **settings)
    assert [type(layer) for layer in model.layers] == kinds
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_packing_twice(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    refused(model, path, "must not be packed already: .*unpack_model")


def test_a_file_of_another_model_lists_three_differences(path):
    quantized(lambda: mlp(hidden=48, outputs=6), path)
    message = (
        r"weight 0 is \[32, 40\] \('hidden/kernel'\), in the file \[32, 48\] .*"
        r"weight 1 is \[40\].*; weight 2 is \[40, 4\].*; and 1 more$"
    )
    refused(mlp(), path, message)


def test_a_file_of_other_weights(path):
    quantized(lambda: keras.Sequential([keras.Input((32,)), L.Dense(40)]), path)
    refused(mlp(), path, r"it has 4 weights, the file 2: 'output/kernel', 'output/bias'")
    quantized(mlp, path)
    one = keras.Sequential([keras.Input((32,)), L.Dense(40)])
    refused(one, path, r"it has 2 weights, the file 4: 'output/kernel', 'output/bias'")


def test_a_file_whose_weights_have_other_names(path):
    quantized(lambda: keras.Sequential([keras.Input((5,)), L.Embedding(90, 48)]), path)
    other = keras.Sequential([keras.Input((90,)), L.Dense(48, use_bias=False)])
    refused(other, path, r"\('.*/kernel'\), in the file \[90, 48\] \('.*/embeddings'\)")


def test_a_model_that_is_not_built(path):
    quantized(mlp, path)
    with pytest.raises(ValueError, match="`model` must be built"):
        bcq_tf.pack_model(keras.Sequential([L.Dense(3)]), path)
    with pytest.raises(TypeError, match="`model` must be a Keras model"):
        bcq_tf.pack_model("model", path)


def test_other_bad_arguments(path, tmp_path):
    quantized(mlp, path)
    codes = bcq_tf.quantize_model(mlp(), effort="low").codes
    refused(mlp(), path, "`precision` must be one of", precision="low")
    refused(mlp(), {}, "`codes` must be named by paths")
    refused(mlp(), {"nowhere": codes["hidden/kernel"]}, r"Received: \['nowhere'\]")
    refused(mlp(), {"hidden/kernel": 3}, "must be BinaryCodes. Received: int", TypeError)
    refused(mlp(), {"output/kernel": codes["hidden/kernel"]}, r"the weight, \[4, 40\]")
    refused(mlp(), {"hidden/bias": codes["hidden/kernel"]}, "the weight, bias")
    refused(mlp(), tmp_path / "none.bcq.npy", "none", FileNotFoundError)
    bcq_tf.save(tmp_path / "loose.bcq.npy", {"a": np.zeros(3)})
    refused(mlp(), tmp_path / "loose.bcq.npy", "loose", bcq_tf.FileFormatError)


def test_unpacking_a_float_model():
    with pytest.raises(ValueError, match="`model` must be packed"):
        bcq_tf.unpack_model(mlp())


def test_layers_that_were_packed_by_hand():
    x = keras.Input((6,), dtype="int32")
    table = np.random.default_rng(0).normal(size=(90, 48))
    layer = BCQEmbedding.from_codes(bcq_tf.quantize(table, effort="low"))
    model = keras.Model(x, layer(x))
    refused(model, {"a": None}, "must not be packed already")


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
