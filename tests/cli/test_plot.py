"""`plot` draws what files hold, and says so to machines."""

import os
import shutil

import keras
import numpy as np
import pytest

import bcq_tf


@pytest.fixture(scope="module")
def rated(folder, tmp_path_factory):
    """Files of 1 and 2 bits whose epoch was rated, and one rated otherwise."""
    path = tmp_path_factory.mktemp("rated")
    with np.load(folder.data) as data:
        x, y = data["ids"], data["y"]
    settings = {"1bit": (1, "loss"), "2bit": (2, "loss"), "other": (2, "accuracy")}
    for name, (bits, monitor) in settings.items():
        model = keras.saving.load_model(folder.model)
        callback = bcq_tf.BCQCallback(path / f"{name}.bcq.npy", bits=bits, monitor=monitor)
        model.fit(x, y, verbose=0, callbacks=[callback])
    return path


@pytest.mark.parametrize("name", ["weights.png", "new/weights.svg", "weights.pdf"])
def test_the_weights_of_a_file(folder, run, run_json, tmp_path, name):
    out = tmp_path / name
    assert run("plot", folder.file, "--out", out) == f"Drawn: {out}\n"
    assert out.stat().st_size > 5000
    shown = run_json("plot", folder.file, "--out", out)
    opened = bcq_tf.read(folder.file)
    report = bcq_tf.Report.of(opened, opened.metadata)
    assert shown["path"] == str(out)
    assert shown["kind"] == "weights"
    assert {line["weight"]: line["error"] for line in shown["weights"]} == {
        weight.path: weight.error for weight in report.chosen
    }


def test_sizes_against_ratings(rated, run_json, tmp_path):
    files = [rated / "1bit.bcq.npy", rated / "2bit.bcq.npy"]
    shown = run_json("plot", *files, "--out", tmp_path / "sizes.png")
    assert shown["kind"] == "sizes"
    assert [line["name"] for line in shown["files"]] == ["1bit", "2bit"]
    assert [line["nbytes"] for line in shown["files"]] == [os.path.getsize(path) for path in files]
    values = [bcq_tf.read(path).metadata["value"] for path in files]
    assert [line["value"] for line in shown["files"]] == values
    assert (tmp_path / "sizes.png").stat().st_size > 5000


def test_files_of_one_name_are_called_by_their_folders(rated, run_json, tmp_path):
    for name in ("1bit", "2bit"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(rated / f"{name}.bcq.npy", tmp_path / "runs" / name / "model.bcq.npy")
    files = [tmp_path / "runs" / name / "model.bcq.npy" for name in ("1bit", "2bit")]
    shown = run_json("plot", *files, "--out", tmp_path / "sizes.png")
    assert [line["name"] for line in shown["files"]] == ["1bit/model", "2bit/model"]


@pytest.mark.parametrize("settings", [{}, {"group_size": 32}, {"row_bits": "21" * 16}])
def test_levels_of_a_weight(folder, run_json, tmp_path, settings):
    model = keras.saving.load_model(folder.model, compile=False)
    path = tmp_path / "model.bcq.npy"
    bcq_tf.quantize_model(model, 2, rules={"hidden*": settings}, filepath=path)
    words = ["--weight", "hidden/*", "--float", folder.model, "--out", tmp_path / "levels.png"]
    shown = run_json("plot", path, *words)
    assert shown["weight"] == "hidden/kernel"
    assert shown["bits"] == 2
    assert 0 < shown["error"] < 0.4
    assert (tmp_path / "levels.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["FILE", "--out", "a.txt"], "`--out` must end with .png or .svg or .pdf"),
        (["none.bcq.npy", "--out", "a.png"], "No such file: 'none.bcq.npy'"),
        (["DATA", "--out", "a.png"], "is not a"),
        (["FILE", "FILE", "--out", "a.png"], "of epochs that a BCQCallback has rated"),
        (["1bit", "other", "--out", "a.png"], "rated by one log entry. Received: ['accuracy', "),
        (["FILE", "--weight", "x", "--out", "a.png"], "must be given together"),
        (["FILE", "--float", "MODEL", "--out", "a.png"], "must be given together"),
        (["1bit", "2bit", "--weight", "x", "--float", "MODEL", "--out", "a.png"],
         "`--weight` must be of one file. Received: 2 files"),
        (["FILE", "--weight", "x", "--float", "MODEL", "--out", "a.png"],
         "matches 0. Such as: table/embeddings"),
        (["FILE", "--weight", "*", "--float", "MODEL", "--out", "a.png"], "matches 3. Such as: "),
        (["FILE"], "--out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_is_one_line(folder, rated, fail, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    names = {"FILE": folder.file, "MODEL": folder.model, "DATA": folder.data}
    names |= {name: rated / f"{name}.bcq.npy" for name in ("1bit", "2bit", "other")}
    assert message in fail("plot", *(names.get(word, word) for word in words))
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_it_is_said_first(folder, fail, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install matplotlib" in fail("plot", folder.file, "--out", tmp_path / "a.png")
