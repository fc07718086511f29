"""`compare` against NumPy on the outputs of a float model with the codes' values."""

import os
import zipfile

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.cli.agreement import Agreement
from tests.eager import in_steps

from .conftest import CLASSES, LENGTH, ROWS, WORDS, classifier, two_inputs


def outputs(folder, x) -> tuple[np.ndarray, np.ndarray]:
    """Of the float model, and of one with the codes' values."""
    model = keras.saving.load_model(folder.model)
    a = model.predict(x, verbose=0).astype(np.float64)
    bcq_tf.load_weights(model, folder.file)
    return a, model.predict(x, verbose=0).astype(np.float64)


@pytest.mark.parametrize(("words", "tolerance"), [([], 1e-4), (["--precision", "fast"], 5e-2)])
def test_the_figures_are_those_of_the_outputs(folder, run_json, words, tolerance):
    with np.load(folder.data) as data:
        ids = data["ids"]
    a, b = outputs(folder, ids)
    shown = run_json("compare", folder.model, folder.file, "--data", folder.data, *words)
    (line,) = shown["outputs"]
    assert line["output"] == "classes"
    error = np.linalg.norm(a - b) / np.linalg.norm(a)
    assert error > 0.1
    assert line["relative_error"] == pytest.approx(error, rel=tolerance)
    cosine = (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)
    assert line["cosine"] == pytest.approx(cosine, rel=tolerance)
    top1 = np.mean(a.argmax(-1) == b.argmax(-1))
    assert line["top1"] == pytest.approx(top1, abs=0 if not words else 2 / ROWS)
    assert shown["rows"] == ROWS
    assert shown["inputs"] == folder.data
    assert shown["precision"] == (words[-1] if words else "exact")


@in_steps
def test_targets_give_the_models_own_losses_and_metrics(folder, run_json):
    with np.load(folder.data) as data:
        ids, y = data["ids"], data["y"]
    shown = run_json("compare", folder.model, folder.file, "--data", folder.data)["metrics"]
    model = keras.saving.load_model(folder.model)
    for which in ("float", "packed"):
        wanted = model.evaluate(ids, y, verbose=0, return_dict=True)
        assert {name: pair[which] for name, pair in shown.items()} == pytest.approx(
            wanted, rel=1e-4
        )
        bcq_tf.load_weights(model, folder.file)


@pytest.mark.parametrize("column", [False, True], ids=["[n]", "[n, 1]"])
@in_steps
def test_a_model_that_was_not_compiled_has_its_accuracy(folder, run_json, tmp_path, column):
    model = classifier()
    model.set_weights(keras.saving.load_model(folder.model).get_weights())
    model.save(tmp_path / "plain.keras")
    with np.load(folder.data) as data:
        ids, y = data["ids"], data["y"]
    np.savez(tmp_path / "d.npz", ids, y=y[:, np.newaxis] if column else y)
    a, b = outputs(folder, ids)
    shown = run_json(
        "compare", tmp_path / "plain.keras", folder.file, "--data", tmp_path / "d.npz",
        "--batch-size", 4,
    )  # fmt: skip
    accuracy = shown["metrics"]["accuracy"]
    assert accuracy["float"] == pytest.approx(np.mean(a.argmax(-1) == y))
    assert accuracy["packed"] == pytest.approx(np.mean(b.argmax(-1) == y))


@pytest.mark.parametrize("batch", [4, 1000])
@in_steps
def test_the_batch_size_changes_nothing(folder, run_json, batch):
    words = ["compare", folder.model, folder.file, "--data", folder.data]
    shown, default = run_json(*words, "--batch-size", batch), run_json(*words)
    (line,), (wanted,) = shown["outputs"], default["outputs"]
    assert line.pop("output") == wanted.pop("output")
    assert line == pytest.approx(wanted, rel=1e-4)


@in_steps
def test_random_inputs_are_said_to_be_random(folder, run, run_json):
    shown = run_json("compare", folder.model, folder.file)
    assert shown["inputs"].startswith("random, of the shapes and dtypes of the inputs")
    assert shown["rows"] == 32
    assert shown["metrics"] == {}
    assert 0.05 < shown["outputs"][0]["relative_error"] < 1
    again = run_json("compare", folder.model, folder.file)
    assert again["outputs"] == shown["outputs"]
    text = run("compare", folder.model, folder.file)
    assert text.startswith("Inputs: random, of the shapes and dtypes of the inputs")


@in_steps
def test_sizes_are_those_of_the_files_and_of_the_weights(folder, run_json):
    shown = run_json("compare", folder.model, folder.file)
    assert shown["file_nbytes"] == {
        "float": os.path.getsize(folder.model),
        "packed": os.path.getsize(folder.file),
    }
    model = keras.saving.load_model(folder.model)
    report = bcq_tf.pack_model(model, folder.file)
    assert shown["memory_nbytes"] == {"float": report.float_nbytes, "packed": report.nbytes}
    assert shown["memory_nbytes"]["float"] == 4 * classifier().count_params()


@in_steps
def test_weights_that_stay_float_in_memory_are_listed(run, run_json, tmp_path):
    x = keras.Input((32,))
    wide = keras.layers.Dense(64, dtype="float64", name="double")(x)
    model = keras.Model(x, keras.layers.Dense(300)(wide))
    model.save(tmp_path / "m.keras")
    bcq_tf.quantize_model(model, filepath=tmp_path / "m.bcq.npy")
    words = ["compare", tmp_path / "m.keras", tmp_path / "m.bcq.npy"]
    listed = run_json(*words)["dequantized"]
    assert listed == {"double/kernel": "it computes in float64"}
    assert "it computes in float64" in run(*words)


@pytest.mark.parametrize("structure", ["dict", "list"])
@pytest.mark.parametrize("names", [True, False], ids=["by name", "by order"])
@in_steps
def test_several_inputs_and_outputs(run_json, tmp_path, structure, names):
    keras.utils.set_random_seed(5)
    model = two_inputs(structure)
    model.save(tmp_path / "m.keras")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)), rng.normal(size=(7, 4, 32))
    arguments = ((), {"b": b, "a": a}) if names else ((a, b), {})
    np.savez(tmp_path / "d.npz", *arguments[0], **arguments[1])
    x = {"a": a, "b": b} if structure == "dict" else [a, b]
    before = model.predict(x, verbose=0)
    bcq_tf.quantize_model(model, bits=1, filepath=tmp_path / "m.bcq.npy")
    after = model.predict(x, verbose=0)
    shown = run_json(
        "compare", tmp_path / "m.keras", tmp_path / "m.bcq.npy", "--data", tmp_path / "d.npz"
    )
    assert len(shown["outputs"]) == 2
    for line, name in zip(shown["outputs"], ("y1", "y2"), strict=True):
        error = np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])
        assert line["relative_error"] == pytest.approx(error, rel=1e-3)
    assert shown["outputs"][0]["top1"] is not None
    assert shown["outputs"][1]["top1"] is None
    run_json("compare", tmp_path / "m.keras", tmp_path / "m.bcq.npy")  # random


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": [0, 1]}, "`--data` must have an array for each of 1 inputs of the model"),
        ({"a": [[0]], "b": [[0]]}, "`--data` must have an array for each of 1 inputs"),
        ({"ids": np.zeros((2, LENGTH)), "y": [0]}, "must have arrays of one length, at least 1"),
        ({"ids": np.zeros((0, LENGTH))}, "must have arrays of one length, at least 1"),
        ({"ids": 3}, "must have arrays of one length, at least 1"),
        ({"ids": np.zeros((2, LENGTH + 1))}, "expected shape=(None, 6), found shape=(2, 7)"),
        ({"ids": np.full((2, LENGTH), WORDS)},
         f"not run on these inputs: indices[0,0] = {WORDS} is not in [0, {WORDS}) (functional"),
        ({"ids": np.zeros((2, LENGTH)), "y": np.zeros((2, 7))}, "does not run on these inputs"),
        ({"ids": np.array([["a"] * LENGTH])}, "the model does not run on these inputs"),
        ({"ids": np.array([None, {}])}, "is no .npz file of arrays"),
    ],
    ids=["no input", "two inputs", "lengths", "empty", "scalar", "shape", "id", "target", "strings",
         "objects"],
)  # fmt: skip
def test_data_that_do_not_fit(folder, fail, tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    assert message in fail(
        "compare", folder.model, folder.file, "--data", tmp_path / "d.npz"
    )  # fmt: skip


def test_data_of_another_kind(folder, fail, tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "header.npz", "w") as file:
        file.writestr("ids.npy", b"\x93NUMPY\x01\x00\x76\x00" + b"{'shape': (3, 2".ljust(118))
    for name in ("text.npz", "array.npy", "header.npz"):
        line = fail("compare", folder.model, folder.file, "--data", tmp_path / name)
        assert "is no .npz file of arrays" in line
    line = fail("compare", folder.model, folder.file, "--data", folder.model)
    assert "is no .npz file of arrays: it holds other files" in line


def test_targets_that_are_no_classes_need_a_loss(folder, fail, tmp_path):
    classifier().save(tmp_path / "plain.keras")
    np.savez(tmp_path / "d.npz", np.zeros((2, LENGTH), int), y=np.zeros((2, CLASSES)))
    line = fail("compare", tmp_path / "plain.keras", folder.file, "--data", tmp_path / "d.npz")
    assert "`y` must be the class of each row of one output" in line


def test_a_packed_model_is_no_float_model(folder, fail, run, tmp_path):
    run("convert", folder.file, tmp_path / "packed.keras", "--packed")
    assert "must not have packed layers" in fail("compare", tmp_path / "packed.keras", folder.file)


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 5), (4, 2, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_agreement_is_that_of_all_batches_together(shape, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, *shape))
    agreement = Agreement("name")
    for i in range(3):
        agreement.add(a[i], b[i])
    norm = np.linalg.norm
    assert agreement.relative_error == pytest.approx(norm(a - b) / norm(a))
    assert agreement.cosine == pytest.approx(np.vdot(a, b) / norm(a) / norm(b))
    if shape[-1] > 1 and len(shape) > 1:
        assert agreement.top1 == np.mean(a.argmax(-1) == b.argmax(-1))
    else:
        assert agreement.top1 is None


def test_agreement_of_zeros_and_of_nan():
    same, zero, nan = Agreement("a"), Agreement("b"), Agreement("c")
    same.add(np.zeros((2, 3)), np.zeros((2, 3)))
    assert (same.relative_error, same.top1) == (0, 1)
    zero.add(np.zeros((2, 3)), np.ones((2, 3)))
    assert np.isnan(zero.relative_error)
    assert np.isnan(zero.cosine)
    nan.add(np.ones((2, 3)), np.full((2, 3), np.nan))
    assert np.isnan(nan.relative_error)
