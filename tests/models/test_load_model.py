"""`load_model`: a model from its file alone."""

import functools

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import _keras
from bcq_tf.layers.packed_model import PackedModel
from tests import fresh
from tests.models.packed_models import IDS, MODELS, NoConfig, close, no_config, quantized
from tests.small_models import mlp

WITH_CONFIG = [name for name in MODELS if name != "no_config"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", WITH_CONFIG)
def test_from_the_file_alone(name, packed, path):
    build, x = MODELS[name]
    expected = quantized(build, path)(x).numpy()
    model = bcq_tf.load_model(path, packed=packed)
    assert isinstance(model, PackedModel) == packed
    close(model(x), expected)
    assert all(variable._value is not None for variable in model.variables)


def test_a_model_that_was_compiled(path, tmp_path):
    def compiled():
        inner = mlp(outputs=32)
        inner.compile("adam", "mse")
        model = keras.Sequential([keras.Input((32,)), inner, L.Dense(64)])
        model.compile(keras.optimizers.Adam(1e-2), "mse")
        return model

    x = np.random.default_rng(0).normal(size=(5, 32)).astype("float32")
    expected = quantized(compiled, path)(x).numpy()
    model = bcq_tf.load_model(path)
    close(model(x), expected)
    assert not model.compiled
    model.save(tmp_path / "model.keras")
    close(keras.saving.load_model(tmp_path / "model.keras")(x), expected)


def test_settings_of_packing(path):
    x = np.random.default_rng(0).normal(size=(5, 32)).astype("float32")
    expected = quantized(mlp, path)(x).numpy()
    model = bcq_tf.load_model(path, precision="fast", trainable_scales=True)
    np.testing.assert_allclose(model(x), expected, atol=0.02 * np.abs(expected).max())
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((5, 4)), verbose=0)


@pytest.mark.parametrize("packed", [True, False])
def test_with_a_model(packed, path):
    expected = quantized(no_config, path)(IDS).numpy()
    with pytest.raises(ValueError, match=r"`model` must be given, .*load_model\(path, model=...\)"):
        bcq_tf.load_model(path)
    mine = no_config()
    model = bcq_tf.load_model(path, model=mine, packed=packed)
    assert model is mine
    close(model(IDS), expected)


def test_a_model_that_is_not_built(path):
    quantized(no_config, path)
    with pytest.raises(ValueError, match="`model` must be built"):
        bcq_tf.load_model(path, model=NoConfig(48))


def test_float_matrices_are_never_made(path, monkeypatch):
    quantized(lambda: keras.Sequential([keras.Input((600,)), L.Dense(700)]), path)
    made = []
    original = keras.Variable._initialize_with_initializer

    def watched(variable, initializer):
        made.append(tuple(variable.shape))
        return original(variable, initializer)

    monkeypatch.setattr(keras.Variable, "_initialize_with_initializer", watched)
    bcq_tf.load_model(path)
    assert (600, 700) not in made
    assert (700,) in made
    made.clear()
    keras.layers.Dense(3).build((None, 5))
    assert made == [(5, 3), (3,)]  # variables made later have values as ever


def test_in_a_fresh_process(path):
    for name in ("attention", "recurrent"):
        build, x = MODELS[name]
        y = quantized(build, path)(x).numpy()
        np.savez(path.with_suffix(".npz"), x=x, y=y)
        program = f"""
import numpy as np, bcq_tf
data = np.load(r"{path.with_suffix(".npz")}")
y = bcq_tf.load_model(r"{path}")(data["x"]).numpy()
assert abs(y - data["y"]).max() < 1e-5 * abs(y).max()
"""
        done = fresh.run(program)
        assert done.returncode == 0, done.stderr


# Bad input


def test_a_class_that_is_not_imported(path):
    quantized(MODELS["tied"][0], path)
    metadata = bcq_tf.read(path).metadata
    config = metadata["model"] | {"registered_name": "elsewhere>Tied", "module": "elsewhere"}
    bcq_tf.save(path, dict(bcq_tf.read(path)), metadata | {"model": config})
    with pytest.raises(ValueError, match="Could not locate class 'Tied'") as raised:
        bcq_tf.load_model(path)
    assert "or its classes imported (in a command by --import)" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("packed", [True, False])
def test_a_config_of_another_model(packed, path):
    quantized(mlp, path)
    metadata = bcq_tf.read(path).metadata
    other = _keras.serialized_model(mlp(hidden=48))
    bcq_tf.save(path, dict(bcq_tf.read(path)), metadata | {"model": other})
    with pytest.raises(ValueError, match=r"weight 0 is \[32, 48\]"):
        bcq_tf.load_model(path, packed=packed)


CONFIGS = {
    "a list": [1, 2],
    "an empty list": [],
    "a string": "Sequential",
    "a number": 3.5,
    "true": True,
    "nothing": {},
    "a layer": {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}},
    "a class": {"module": "keras", "class_name": "Model", "config": "keras.Model"},
    "a class by its name": {"class_name": "__typespec__", "config": ["tensorflow.TensorSpec"]},
    "a function": {"module": "keras.ops", "class_name": "function", "config": "relu"},
    "a list of models": [{"module": "keras", "class_name": "Sequential", "config": {"layers": []}}],
    "a wrong config": {"module": "keras", "class_name": "Sequential", "config": 3},
    "a name of 3 MB": {"module": "keras", "class_name": "x" * 3_000_000, "config": {}},
    "deep lists": functools.reduce(lambda inside, _: [inside], range(190), []),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_none(name, path):
    quantized(mlp, path)
    opened = bcq_tf.read(path)
    bcq_tf.save(path, dict(opened), opened.metadata | {"model": CONFIGS[name]})
    with pytest.raises(ValueError, match="^`model` must be given") as raised:
        bcq_tf.load_model(path)
    message = str(raised.value).replace(str(path), "")
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("load", [bcq_tf.load_model, lambda p: bcq_tf.load_weights(mlp(), p)])
@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"0": []}},
        {"weights": {"0": "x" * 3_000_000}},
        {"weights": {"0": {"view": "x" * 3_000_000, "error": 0}}},
        {"weights": {"0": {"view": {"shape": [1] * 10**5, "rows": [], "columns": []}}}},
        {"weights": {"0": {"view": {"shape": [32, 40], "rows": [1], "columns": [0]},
                           "error": 10**400}}},
        {"weights": {"0": {"view": {"shape": [32, 40], "rows": [1], "columns": [0]},
                           "error": "x" * 3_000_000}}},
        {"weights": []},
        {"skipped": {"x" * 3_000_000: 1}},
        {"skipped": 5},
        {"places": 5},
        {"states": [1]},
        {"assets": {"a": {"../../x": "0:hidden/kernel"}}},
    ],
)  # fmt: skip
def test_tables_of_other_types(change, load, path):
    quantized(mlp, path)
    opened = bcq_tf.read(path)
    bcq_tf.save(path, dict(opened), opened.metadata | change)
    with pytest.raises(bcq_tf.FileFormatError) as raised:
        load(path)
    message = str(raised.value).replace(str(path), "")
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("name", ["0:" + "x" * 3_000_000, "x" * 3_000_000])
def test_names_that_are_long_are_not_shown_whole(name, path):
    quantized(mlp, path)
    opened = bcq_tf.read(path)
    tensors = {name if key.startswith("0:") else key: value for key, value in opened.items()}
    bcq_tf.save(path, tensors, opened.metadata)
    with pytest.raises(ValueError) as raised:
        bcq_tf.load_weights(keras.Sequential([keras.Input((3,)), L.Dense(4)]), path)
    assert len(str(raised.value).replace(str(path), "")) < 900


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_without_a_models_weights(packed, path):
    bcq_tf.save(path, {"a": np.zeros(3)}, {"model": _keras.serialized_model(mlp())})
    with pytest.raises(bcq_tf.FileFormatError, match="model.bcq.npy: "):
        bcq_tf.load_model(path, packed=packed)


def test_other_bad_arguments(path):
    with pytest.raises(FileNotFoundError):
        bcq_tf.load_model(path)
    quantized(mlp, path)
    with pytest.raises(ValueError, match=r"`packed` must be True with \['precision'\]"):
        bcq_tf.load_model(path, packed=False, precision="fast")
