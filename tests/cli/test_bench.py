"""`bench`: what is timed, in which order; no test asserts a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.cli import products, timing
from tests.eager import in_steps
from tests.small_models import compiled_mlp, regression_data

from .conftest import CLASSES, LENGTH, WORDS, two_inputs


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch):
    """One call of few products a turn, two turns."""
    monkeypatch.setattr(products, "MOST_PRODUCTS", 3)
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(timing, "TURN_SECONDS", 0)


def test_every_batch_and_every_packed_layer_is_timed(folder, run_json):
    shown = run_json("bench", folder.file, "--batch", "1,3")
    assert [line["batch"] for line in shown["forward"]] == [1, 3]
    sizes = [(line["layers"], line["kind"], line["rows"], line["columns"], line["batch"])
             for line in shown["products"]]  # fmt: skip
    assert sizes == [
        (["table/embeddings"], "rows", WORDS, 32, 1),
        (["table/embeddings"], "rows", WORDS, 32, 3),
        (["hidden/kernel"], "product", 32, 6 * 32, 1),
        (["hidden/kernel"], "product", 32, 6 * 32, 3),
        (["classes/kernel"], "product", CLASSES, 32, 1),
        (["classes/kernel"], "product", CLASSES, 32, 3),
    ]
    for line in shown["forward"] + shown["products"]:
        assert line["float_seconds"] > 0
        assert line["speedup"] == line["float_seconds"] / line["packed_seconds"]
    assert {line["bits"] for line in shown["products"]} == {2}
    assert shown["device"] == "cpu"
    assert shown["threads"] is None
    assert shown["isa"] == native.status().isa
    assert shown["inputs"].startswith("random")


def test_memory_is_that_of_the_packed_model(folder, run_json):
    shown = run_json("bench", folder.file, "--batch", "1", "--precision", "fast")
    report = bcq_tf.pack_model(keras.saving.load_model(folder.model), folder.file)
    assert shown["packed_nbytes"] == report.nbytes
    assert shown["float_nbytes"] == report.float_nbytes
    assert shown["precision"] == "fast"


def test_layers_of_equal_size_are_timed_once(run_json, tmp_path):
    x = keras.Input((4, 64))
    y = keras.layers.MultiHeadAttention(4, 16, name="attention")(x, x)
    model = keras.Model(x, keras.layers.Dense(64, name="last")(y))
    bcq_tf.quantize_model(model, filepath=tmp_path / "m.bcq.npy")
    shown = run_json("bench", tmp_path / "m.bcq.npy", "--batch", "2")
    (line,) = shown["products"]
    names = [path.split("/")[-2] for path in line["layers"]]
    assert sorted(names) == ["attention_output", "key", "last", "query", "value"]


@pytest.mark.parametrize("structure", ["dict", "list"])
def test_several_inputs(run, tmp_path, structure):
    bcq_tf.quantize_model(two_inputs(structure), bits=1, filepath=tmp_path / "m.bcq.npy")
    text = run("bench", tmp_path / "m.bcq.npy", "--batch", "2")
    assert "Forward pass" in text
    assert text.startswith("Device cpu, threads as TensorFlow chooses, precision exact, core ")


@in_steps
@pytest.mark.parametrize("given", [False, True], ids=["alone", "with its model"])
def test_a_trained_file(run_json, run, tmp_path, given):
    path, saved = tmp_path / "m.bcq.npy", tmp_path / "m.keras"
    model = compiled_mlp()
    model.save(saved)
    x, y = regression_data()
    callback = bcq_tf.BCQCallback(path, bits=2, monitor="loss")
    model.fit(x, y, verbose=0, callbacks=[callback])
    np.savez(tmp_path / "x.npz", x)
    words = ["bench", path, "--data", tmp_path / "x.npz", "--batch", "5"]
    words += ["--model", saved] if given else []
    shown = run_json(*words)
    assert shown["inputs"] == str(tmp_path / "x.npz")
    assert [line["batch"] for line in shown["forward"]] == [5]
    text = run(*words)
    assert "hidden/kernel" in text
    assert "40 x 32" in text
    assert "Weights in memory" in text


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("kind", ["product", "rows"])
def test_both_rivals_compute_the_same(folder, kind, batch):
    model = bcq_tf.load_model(folder.file)
    layer, name = {
        "product": (model.get_layer("hidden"), "kernel"),
        "rows": (model.get_layer("table"), "embeddings"),
    }[kind]
    rivals = products._rivals(layer, name, batch, 3)
    a, b = (rivals[which]() for which in ("float", "packed"))
    assert len(a) == len(b) == 3
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
    assert not np.allclose(a[0], a[1])


def test_turns_are_interleaved_and_the_median_is_taken(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(timing, "ROUNDS", 3)
    monkeypatch.setattr(timing, "TURN_SECONDS", 4.0)
    called = []

    def make(name, seconds):
        seconds = iter(seconds)

        def function():
            called.append(name)
            clock[0] += next(seconds)

        return function

    # Two calls before; then a turn is 4 seconds: two calls of a, one of b.
    a = make("a", [9, 2, 1, 1, 2, 2, 8, 8])
    b = make("b", [9, 4, 6, 5, 4])
    assert timing.take_turns({"a": a, "b": b}) == {"a": 2, "b": 5}
    assert "".join(called) == "aabb" + 3 * "aab"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "3"], "`--threads` must be chosen before TensorFlow computes"),
        (["--data", "none.npz"], "No such file: 'none.npz'"),
        (["--model", "none.keras"], "No such file: 'none.keras'"),
        (["--data", "DATA", "--batch", "1,99"], "`--batch` must be at most 23, the rows of"),
    ],
)
def test_bad_input_is_one_line(folder, fail, words, message):
    tf.constant(1)  # TensorFlow has started
    words = [folder.data if word == "DATA" else word for word in words]
    assert message in fail("bench", folder.file, *words)


def test_a_gpu_that_is_not_there_is_one_line(folder, fail, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    line = fail("bench", folder.file, "--device", "gpu")
    assert line == "error: `--device` must be cpu where TensorFlow finds no GPU. Received: gpu"


def test_a_gpu_without_kernels_is_one_line(folder, fail, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(native, "library", lambda name: None)
    line = fail("bench", folder.file, "--device", "gpu")
    assert line.startswith("error: `--device` must be cpu where the GPU kernels are not compiled")


@keras.saving.register_keras_serializable("test_bench")
class Lookup(keras.Model):
    """A subclassed model: what its inputs are is known to its `call` alone."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = keras.layers.Embedding(WORDS, 32)

    def build(self, shape):
        self.table.build(shape)
        self.built = True

    def call(self, x):
        return self.table(x)


def test_a_model_that_does_not_say_its_inputs_needs_data(fail, run_json, tmp_path):
    model = Lookup()
    model(np.zeros((1, LENGTH), int))
    bcq_tf.quantize_model(model, filepath=tmp_path / "m.bcq.npy")
    np.savez(tmp_path / "x.npz", np.full((2, LENGTH), WORDS - 1))
    words = ["bench", tmp_path / "m.bcq.npy", "--batch", "1"]
    assert "`--data` must be given, since the model's class does not say" in fail(*words)
    shown = run_json(*words, "--data", tmp_path / "x.npz")
    assert len(shown["forward"]) == len(shown["products"]) == 1
