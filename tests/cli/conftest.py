"""A small classifier, its quantized file and data for it; and the command line run in-process."""

import json

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.cli import main as cli

CLASSES, WORDS, LENGTH, ROWS = 5, 40, 6, 23


def classifier() -> keras.Model:
    """Ids [6] -> logits [5], by an embedding [40, 32] and kernels [192, 32], [32, 5]."""
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    x = keras.layers.Embedding(WORDS, 32, name="table")(ids)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(32, activation="tanh", name="hidden")(x)
    return keras.Model(ids, keras.layers.Dense(CLASSES, name="classes")(x))


def two_inputs(structure: str) -> keras.Model:
    """a [3], b [4, 32] in a dict or list -> {"y1": [6], "y2": [1]}."""
    a = keras.Input((3,), name="a")
    b = keras.Input((4, 32), name="b")
    mean = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(32, name="wide")(b))
    both = keras.layers.Concatenate()([a, mean])
    first = keras.layers.Dense(6, name="first")(both)
    second = keras.layers.Dense(1, name="second")(both)
    inputs = {"dict": {"b": b, "a": a}, "list": [a, b]}[structure]
    return keras.Model(inputs, {"y1": first, "y2": second})


class Folder:
    """The files that the commands of a test read, and paths for those that they write."""

    def __init__(self, path):
        self.path = path

    def __truediv__(self, name: str) -> str:
        return str(self.path / name)

    @property
    def model(self) -> str:
        return self / "model.keras"

    @property
    def file(self) -> str:
        return self / "model.bcq.npy"

    @property
    def data(self) -> str:
        return self / "data.npz"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Folder:
    """`model.keras` compiled, `model.bcq.npy` of 2 bits, `data.npz` with targets."""
    made = Folder(tmp_path_factory.mktemp("cli"))
    keras.utils.set_random_seed(1)
    model = classifier()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.save(made.model)
    model = keras.saving.load_model(made.model, compile=False)
    bcq_tf.quantize_model(model, bits=2, filepath=made.file)
    rng = np.random.default_rng(1)
    ids, y = rng.integers(0, WORDS, (ROWS, LENGTH)), rng.integers(0, CLASSES, ROWS)
    np.savez(made.data, ids=ids, y=y)
    return made


@pytest.fixture
def run(capsys):
    """run(*words) -> what the command printed, after it succeeded."""

    def call(*words) -> str:
        capsys.readouterr()
        assert cli.main([*map(str, words)]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def run_json(run):
    """run_json(*words) -> the JSON that the command printed."""
    return lambda *words: json.loads(run(*words, "--json"))


@pytest.fixture
def fail(capsys):
    """fail(*words) -> the one line on stderr of a command that ends with code 2."""

    def call(*words) -> str:
        capsys.readouterr()
        try:
            code = cli.main([*map(str, words)])
        except SystemExit as ended:  # argparse's way
            code = ended.code
        printed = capsys.readouterr()
        assert code == 2
        assert printed.out == ""
        lines = printed.err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        return lines[0]

    return call
