"""`inspect` against the file's own facts, and errors against NumPy."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.codes import MatrixView
from tests.files.golden_files import CODES_V1, TRANSFORMER_BCQ
from tests.small_models import compiled_mlp, mlp, regression_data

from .conftest import classifier


def squared_error(matrix, codes) -> float:
    """The definition, in float64."""
    matrix = np.asarray(matrix, np.float64)
    return float(((matrix - codes.reconstruct()) ** 2).sum() / (matrix**2).sum())


def test_every_weight_is_listed(folder, run_json):
    shown = run_json("inspect", folder.file)
    opened = bcq_tf.read(folder.file)
    assert shown["kind"] == "model"
    assert [line["path"] for line in shown["chosen"]] == [
        "table/embeddings", "hidden/kernel", "classes/kernel"
    ]  # fmt: skip
    assert [line["matrix"] for line in shown["chosen"]] == [[40, 32], [32, 192], [5, 32]]
    assert {line["bits"] for line in shown["chosen"]} == {2}
    assert [(line["path"], line["reason"]) for line in shown["skipped"]] == [
        ("hidden/bias", "bias"), ("classes/bias", "bias")
    ]  # fmt: skip
    assert shown["nbytes"] == opened.nbytes
    count = 40 * 32 + 192 * 32 + 32 * 5
    assert shown["original_nbytes"] == 4 * (count + 32 + 5)
    assert shown["ratio"] == shown["original_nbytes"] / opened.nbytes
    codes = [tensor for tensor in opened.values() if isinstance(tensor, bcq_tf.BinaryCodes)]
    assert shown["bits_per_weight"] == pytest.approx(8 * sum(c.nbytes for c in codes) / count)
    assert shown["config"]["bits"] == 2
    assert shown["keras_config"] is True
    assert shown["epoch"] is None
    assert shown["errors_against"] is None


def test_errors_are_measured_against_a_float_model(folder, run_json, tmp_path):
    model = keras.saving.load_model(folder.model)
    model.get_layer("hidden").kernel.assign_add(np.full((192, 32), 0.05))
    path = tmp_path / "other.keras"
    model.save(path)
    shown = run_json("inspect", folder.file, "--float", path)
    assert shown["errors_against"] == str(path)
    codes = list(bcq_tf.read(folder.file).values())
    stored = run_json("inspect", folder.file)["chosen"]
    table, hidden, classes = shown["chosen"]
    for line, position, weight in (
        (table, 0, "table"),
        (hidden, 1, "hidden"),
        (classes, 3, "classes"),
    ):
        value = model.weights[position].numpy()
        matrix = value if weight == "table" else value.T
        assert line["error"] == pytest.approx(squared_error(matrix, codes[position]), rel=1e-6)
    assert table["error"] == pytest.approx(stored[0]["error"], rel=1e-3)
    assert hidden["error"] > 1.1 * stored[1]["error"]


def test_a_trained_file_tells_when_it_was_best(run, run_json, tmp_path):
    path = tmp_path / "model.bcq.npy"
    x, y = regression_data()
    callback = bcq_tf.BCQCallback(path, bits=2, monitor="loss", every_n_steps=2)
    history = compiled_mlp().fit(x, y, epochs=3, verbose=0, callbacks=[callback]).history
    shown = run_json("inspect", path)
    metadata = bcq_tf.read(path).metadata
    assert {name: shown[name] for name in ("monitor", "value", "epoch", "step")} == {
        "monitor": "loss",
        "value": metadata["value"],
        "epoch": metadata["epoch"],
        "step": metadata["step"],
    }
    assert min(history["loss"]) == pytest.approx(shown["value"], rel=0.5)
    text = run("inspect", path)
    assert f"loss {shown['value']:.6g}, epoch {shown['epoch']} (the first is 0)" in text


def test_the_table_is_for_people(folder, run):
    text = run("inspect", folder.file)
    lines = text.splitlines()
    assert lines[0] == f"{folder.file}: {bcq_tf.read(folder.file).nbytes:,} bytes"
    assert "not said: quantized in one shot" in text
    assert "present: bcq_tf.load_model needs no other file" in text
    (line,) = [line for line in lines if line.split()[:1] == ["hidden/kernel"]]
    assert line.split()[1:9] == ["192", "x", "32", "32", "x", "192", "2", "2.17"]
    (line,) = [line for line in lines if line.split()[:1] == ["hidden/bias"]]
    assert line.split() == ["hidden/bias", "32", "128", "bias"]


def test_a_file_without_a_keras_config(run, run_json, tmp_path):
    class Plain(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    model = Plain(4)
    model(np.zeros((1, 32)))
    bcq_tf.quantize_model(model, filepath=tmp_path / "a.bcq.npy")
    assert run_json("inspect", tmp_path / "a.bcq.npy")["keras_config"] is False
    assert "none: the file needs its model" in run("inspect", tmp_path / "a.bcq.npy")


def test_a_file_of_tensors_alone(run, run_json):
    opened = bcq_tf.read(CODES_V1)
    shown = run_json("inspect", CODES_V1)
    assert shown["kind"] == "tensors"
    assert [line["name"] for line in shown["tensors"]] == list(opened)
    for line in shown["tensors"]:
        tensor = opened[line["name"]]
        assert line["shape"] == list(tensor.shape)
        assert line["nbytes"] == tensor.nbytes
        is_codes = isinstance(tensor, bcq_tf.BinaryCodes)
        assert line["bits"] == (tensor.bits if is_codes else None)
        assert line["dtype"] == (None if is_codes else str(tensor.dtype))
    assert all(name in run("inspect", CODES_V1) for name in opened)


def test_codes_of_every_kind_are_listed(run, run_json, tmp_path):
    uniform = bcq_tf.UniformCodes(np.zeros((9, 5), np.uint8), 0.5, 3, 13)
    codebooks = np.zeros((4, 16, 50), np.float32)
    compositional = bcq_tf.CompositionalCodes(np.zeros((9, 2), np.uint8), codebooks)
    path = tmp_path / "a.bcq.npy"
    bcq_tf.save(path, {"uniform": uniform, "compositional": compositional})
    for line, codes in zip(
        run_json("inspect", path)["tensors"], (uniform, compositional), strict=True
    ):
        assert line["shape"] == list(codes.shape)
        assert (line["bits"], line["nbytes"]) == (codes.bits, codes.nbytes)
        assert line["bits_per_weight"] == pytest.approx(codes.bits_per_weight)
    assert "3.35" in run("inspect", path)


def test_a_pickled_file_of_transformer_bcq(run, run_json):
    weights = bcq_tf.read_legacy(TRANSFORMER_BCQ)
    shown = run_json("inspect", TRANSFORMER_BCQ)
    assert shown["kind"] == "transformer_bcq"
    assert [line["name"] for line in shown["tensors"]] == list(weights)
    assert [line["shape"] for line in shown["tensors"]] == [list(w.shape) for w in weights.values()]
    assert any(line["bits"] for line in shown["tensors"])
    assert "pickled by transformer_bcq" in run("inspect", TRANSFORMER_BCQ)


def test_what_a_file_says_does_not_reach_the_terminal_as_it_is(run, tmp_path):
    codes = bcq_tf.quantize(np.eye(32))
    view = MatrixView((32, 32), (0,), (1,)).to_dict()
    metadata = {"weights": {"0": {"view": view, "error": 0.1}}, "skipped": {}, "epoch": "\x1b[2J",
                "config": {"bits": "[/b]\x1b[2J"}, "value": None}  # fmt: skip
    bcq_tf.save(tmp_path / "a.bcq.npy", {"0:[bold]a": codes}, metadata)
    text = run("inspect", tmp_path / "a.bcq.npy")
    assert "\x1b" not in text
    assert "[bold]a" in text
    assert "[/b]" in text


@pytest.mark.parametrize("facts", [{"value": "x"}, {"value": []}, {"epoch": {}}, {"step": None}])
def test_facts_of_odd_types_are_shown(run, run_json, tmp_path, facts):
    bcq_tf.quantize_model(mlp(), filepath=tmp_path / "a.bcq.npy")
    opened = bcq_tf.read(tmp_path / "a.bcq.npy")
    metadata = opened.metadata | {"monitor": "loss", "value": 1.0, "epoch": 1, "step": 2} | facts
    bcq_tf.save(tmp_path / "b.bcq.npy", dict(opened), metadata)
    run("inspect", tmp_path / "b.bcq.npy")
    (name,) = facts
    assert run_json("inspect", tmp_path / "b.bcq.npy")[name] == facts[name]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-9], "is cut short"),
        (lambda data: b"", "it is empty"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "fails its checksum"),
    ],
    ids=["cut short", "empty", "flipped bit"],
)
def test_a_damaged_file_is_named(folder, fail, tmp_path, damage, message):
    path = tmp_path / "a.bcq.npy"
    with open(folder.file, "rb") as file:
        path.write_bytes(damage(file.read()))
    line = fail("inspect", path)
    assert str(path) in line
    assert message in line


def test_a_damaged_pickled_file_is_named(fail, tmp_path):
    path = tmp_path / "a.bcq.npy"
    path.write_bytes(TRANSFORMER_BCQ.read_bytes()[:-9])
    assert f"'{path}' is not a transformer_bcq file" in fail("inspect", path)


def test_a_float_model_of_another_architecture_is_refused(folder, fail, tmp_path):
    mlp().save(tmp_path / "other.keras")
    line = fail("inspect", folder.file, "--float", tmp_path / "other.keras")
    assert "must be of the architecture that the file was made from" in line
    assert classifier().count_params() != mlp().count_params()


def test_a_model_that_cannot_be_read_is_named(folder, fail, tmp_path):
    (tmp_path / "a.keras").write_bytes(b"nonsense")
    assert f"'{tmp_path / 'a.keras'}' is no Keras model" in fail(
        "inspect", folder.file, "--float", tmp_path / "a.keras"
    )
