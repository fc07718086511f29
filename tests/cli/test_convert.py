"""`convert`: what other programs read from the new file, and that nothing is lost."""

import importlib
import os
import shutil
import sys

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import bcq_tf
from tests import fresh
from tests.files.golden_files import CODES_V1, TRANSFORMER_BCQ
from tests.small_models import mlp

from .conftest import LENGTH, WORDS

CUSTOM = """
import keras
import numpy as np

@keras.saving.register_keras_serializable("{name}")
class Net(keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = keras.layers.Dense(units)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x):
        return self.dense(x)

    {config}

def make():
    net = Net(4)
    net(np.zeros((1, 32)))
    return net
"""
GET_CONFIG = "get_config = lambda self: {'units': self.units}"


@pytest.fixture
def module(tmp_path, request, monkeypatch):
    """The name of a module that defines a model class, with or without `get_config`, and has not
    been imported; `model.bcq.npy` holds such a model."""
    name = f"custom_{request.param}"
    config = GET_CONFIG if request.param == "with_config" else ""
    (tmp_path / f"{name}.py").write_text(CUSTOM.format(name=name, config=config))
    monkeypatch.syspath_prepend(str(tmp_path))
    bcq_tf.quantize_model(importlib.import_module(name).make(), filepath=tmp_path / "model.bcq.npy")
    forget(name)
    yield name
    forget(name)


def forget(name) -> None:
    """Makes a module that registers a class one that was never imported."""
    sys.modules.pop(name, None)
    keras.saving.get_custom_objects().pop(f"{name}>Net", None)


def ids():
    return np.random.default_rng(0).integers(0, WORDS, (9, LENGTH))


def expected_weights(path) -> list:
    model = keras.saving.load_model(os.path.join(os.path.dirname(path), "model.keras"))
    bcq_tf.load_weights(model, path)
    return model.get_weights()


def test_a_float_model_needs_no_bcq_tf(folder, run_json, tmp_path):
    out = tmp_path / "a.keras"
    shown = run_json("convert", folder.file, out)
    assert shown == {
        "path": str(out),
        "kind": "float Keras model",
        "weights": 5,
        "nbytes": os.path.getsize(out),
        "original_nbytes": os.path.getsize(folder.file),
    }
    np.save(tmp_path / "x.npy", ids())
    code = f"""
import sys
sys.modules["bcq_tf"] = None
import keras, numpy as np
model = keras.saving.load_model({str(out)!r})
np.save({str(tmp_path / "y.npy")!r}, model.predict(np.load({str(tmp_path / "x.npy")!r}), verbose=0))
np.savez({str(tmp_path / "w.npz")!r}, *model.get_weights())
"""
    done = fresh.run(code)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "w.npz") as weights:
        for name, wanted in zip(weights.files, expected_weights(folder.file), strict=True):
            np.testing.assert_array_equal(weights[name], wanted)
    wanted = bcq_tf.load_model(folder.file, packed=False).predict(ids(), verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, rtol=1e-5, atol=1e-6)


def test_a_packed_model_computes_from_the_codes(folder, run_json, tmp_path):
    run_json("convert", folder.file, tmp_path / "float.keras")
    shown = run_json("convert", folder.file, tmp_path / "packed.keras", "--packed")
    assert shown["kind"] == "packed Keras model"
    assert shown["weights"] == 5
    packed = keras.saving.load_model(tmp_path / "packed.keras")
    floats = keras.saving.load_model(tmp_path / "float.keras")
    assert type(packed.get_layer("hidden")).__name__ == "BCQDense"
    np.testing.assert_allclose(
        packed.predict(ids(), verbose=0), floats.predict(ids(), verbose=0), rtol=1e-4, atol=1e-5
    )


def test_safetensors_holds_every_weight_by_its_path(folder, run_json, tmp_path):
    out = tmp_path / "a.safetensors"
    shown = run_json("convert", folder.file, out)
    assert shown["nbytes"] == os.path.getsize(out)
    loaded = load_file(out)
    names = ["table/embeddings", "hidden/kernel", "hidden/bias", "classes/kernel", "classes/bias"]
    assert sorted(loaded) == sorted(names)
    for name, wanted in zip(names, expected_weights(folder.file), strict=True):
        np.testing.assert_array_equal(loaded[name], wanted)
        assert loaded[name].dtype == np.float32


def test_safetensors_of_files_of_no_model(run, tmp_path):
    out = tmp_path / "a.safetensors"
    run("convert", TRANSFORMER_BCQ, out)
    weights = bcq_tf.read_legacy(TRANSFORMER_BCQ)
    loaded = load_file(out)
    assert sorted(loaded) == sorted(weights)
    for name, weight in weights.items():
        wanted = weight if isinstance(weight, np.ndarray) else weight.reconstruct()
        np.testing.assert_array_equal(loaded[name], wanted)


def test_safetensors_of_codes_alone(run, tmp_path):
    matrix = np.random.default_rng(0).normal(size=(3, 40))
    codes = bcq_tf.quantize(matrix)
    uniform = bcq_tf.UniformCodes(np.full((9, 5), 9, np.uint8), 0.5, 3, 13)
    tensors = {"table": codes, "bias": np.arange(3), "uniform": uniform}
    bcq_tf.save(tmp_path / "a.bcq.npy", tensors)
    run("convert", tmp_path / "a.bcq.npy", tmp_path / "a.safetensors")
    loaded = load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(loaded["table"], codes.reconstruct())
    np.testing.assert_array_equal(loaded["uniform"], uniform.reconstruct())
    np.testing.assert_array_equal(loaded["bias"], np.arange(3))


@pytest.mark.parametrize("packed", [[], ["--packed"]], ids=["float", "packed"])
@pytest.mark.parametrize("module", ["with_config"], indirect=True)
def test_classes_of_ones_own_are_imported_first(run, fail, tmp_path, module, packed):
    command = ["convert", tmp_path / "model.bcq.npy", tmp_path / "a.keras", *packed]
    assert "its classes imported (in a command by --import)" in fail(*command)
    run(*command, "--import", module)
    made = keras.saving.load_model(tmp_path / "a.keras")
    assert made(np.zeros((2, 32))).shape == (2, 4)


@pytest.mark.parametrize("module", ["without_config"], indirect=True)
def test_a_file_without_a_config_takes_a_model(fail, run, tmp_path, module):
    path, out, same = (tmp_path / name for name in ("model.bcq.npy", "a.keras", "same.keras"))
    line = fail("convert", path, out)
    assert line == f"error: `--model` must be given, since '{path}' has no Keras config"
    keras.Sequential([keras.Input((32,)), keras.layers.Dense(4, name="dense")]).save(same)
    run("convert", path, out, "--model", same)
    kernel, bias = keras.saving.load_model(out).get_weights()
    codes, wanted_bias = bcq_tf.read(path).values()
    np.testing.assert_array_equal(kernel, codes.reconstruct().T)
    np.testing.assert_array_equal(bias, wanted_bias)


@pytest.mark.parametrize(
    ("out", "words", "message"),
    [
        ("a.onnx", [], "`OUT` must end with .keras or .safetensors"),
        ("copy.keras/a.keras", [], "`OUT`: Is no folder: '"),
        ("a.safetensors", ["--packed"], "`--packed` must be left out for .safetensors"),
        ("a.safetensors", ["--model", "copy.keras"], "`--model` must be left out"),
        ("copy.keras", ["--model", "copy.keras"], "`OUT` must not be a file that is read"),
        ("a.keras", ["--model", "none.keras"], "No such file: 'none.keras'"),
        ("a.keras", ["--model", "other.keras"], "must be of the architecture"),
    ],
)
def test_bad_input_writes_nothing(folder, fail, tmp_path, monkeypatch, out, words, message):
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder.model, "copy.keras")
    mlp().save("other.keras")
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert message in fail("convert", folder.file, out, *words)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_a_file_of_no_model_makes_no_keras_model(folder, fail, tmp_path):
    line = fail("convert", CODES_V1, tmp_path / "a.keras", "--model", folder.model)
    assert "name no weights of a model" in line
    assert os.listdir(tmp_path) == []


def test_an_error_while_writing_keeps_the_old_file(folder, fail, tmp_path, monkeypatch):
    out = tmp_path / "a.keras"
    out.write_bytes(b"precious")

    def save(self, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(keras.Model, "save", save)
    assert "No space left on device" in fail("convert", folder.file, out)
    assert out.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.keras"]
