"""The folder of a run: what is written comes back, and what is damaged is named."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.transformer.conftest import make_hparams, make_model
from transformer import checkpoint, training
from transformer.errors import UserError

FILES = ["run.json", "hparams.json", "source.spm", "target.spm", checkpoint.BEST, checkpoint.LAST]


@pytest.fixture(scope="module")
def run(vocabularies):
    model = make_model(vocabularies, num_layers=1)
    hparams = make_hparams(num_layers=1)
    training.compile_model(model, hparams, learning_rate=1e-3)
    return checkpoint.Run(model, hparams, vocabularies, "demo", 7)


@pytest.fixture(scope="module")
def saved(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    checkpoint.save_run(folder, run)
    end_epoch(run.model, folder, 3.0)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A folder of `run` after one epoch."""
    return Path(shutil.copytree(saved, tmp_path / "run"))


def end_epoch(model, folder, val_loss, best=float("inf")):
    saver = checkpoint.SaveEpoch(folder, best=best)
    saver.set_model(model)
    saver.on_epoch_end(0, {"val_loss": val_loss})
    return saver


def test_a_run_comes_back(run, folder):
    loaded = checkpoint.load_run(folder)
    assert (loaded.hparams, loaded.data, loaded.seed) == (run.hparams, "demo", 7)
    assert loaded.vocabularies.source.model_bytes == run.vocabularies.source.model_bytes
    assert not loaded.model.compiled
    for ours, theirs in zip(run.model.get_weights(), loaded.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_only_whole_files_are_left(folder):
    assert {path.name for path in folder.iterdir()} == set(FILES)


@pytest.mark.parametrize(("val_loss", "kept"), [(2.9, "new"), (3.0, "old"), (3.1, "old")])
def test_the_epoch_with_the_lowest_loss_is_kept(run, folder, val_loss, kept):
    before = (folder / checkpoint.BEST).read_bytes()
    other = make_model(run.vocabularies, num_layers=1)
    other.set_weights([weight + 1 for weight in run.model.get_weights()])
    saver = end_epoch(other, folder, val_loss, best=3.0)
    assert saver.best == min(val_loss, 3.0)
    assert ((folder / checkpoint.BEST).read_bytes() == before) == (kept == "old")
    assert (folder / checkpoint.LAST).read_bytes() != before


def test_restoring_brings_back_the_optimizer_and_the_epoch(run, folder):
    models = [make_model(run.vocabularies, num_layers=1) for _ in range(2)]
    for model in models:
        training.compile_model(model, run.hparams, learning_rate=1e-3)
    first, second = (model.optimizer for model in models)
    for number, variable in enumerate(first.variables):
        variable.assign(np.full(variable.shape, number))
    first.iterations.assign(12)
    end_epoch(models[0], folder, 2.0)
    assert checkpoint.restore(folder, models[1], steps_per_epoch=4) == 3
    for ours, theirs in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_is_restored_from_a_new_folder(run, tmp_path):
    assert checkpoint.restore(tmp_path, run.model, 4) == 0


@pytest.mark.parametrize("name", [name for name in FILES if name != checkpoint.LAST])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "noise"])
def test_a_missing_or_damaged_file_is_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    noise = np.random.default_rng(0).bytes(len(content))
    changed = {"empty": b"", "truncated": content[: len(content) // 2], "noise": noise}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    with pytest.raises(UserError, match=name) as error:
        checkpoint.load_run(folder)
    assert "\n" not in str(error.value)


def test_weights_of_another_shape_are_refused(folder):
    other = make_hparams(num_layers=1, d_model=32).to_dict()
    (folder / "hparams.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"best\.weights\.h5 is damaged or does not fit"):
        checkpoint.load_run(folder)


@pytest.mark.parametrize("values", [{}, {"data": "demo"}, {"data": 3, "seed": 1}, [], 5])
def test_a_run_file_without_its_keys_is_refused(folder, values):
    (folder / "run.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"run\.json"):
        checkpoint.load_run(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 32}, "d_model=16. Received: d_model=32"),
        ({"data": "other"}, "data=demo. Received: data=other"),
        ({"seed": 8}, "seed=7. Received: seed=8"),
        ({"languages": ("es", "en")}, "source=pt. Received: source=es"),
        ({"languages": ("pt", "fr")}, "target=en. Received: target=fr"),
    ],
)
def test_other_settings_are_refused_by_name(run, change, message):
    if "d_model" in change:
        change = {"hparams": make_hparams(num_layers=1, **change)}
    with pytest.raises(UserError, match=message):
        checkpoint.check_same("folder", run, dataclasses.replace(run, **change))


def test_more_epochs_are_the_same_run(run):
    more = dataclasses.replace(run, hparams=make_hparams(num_layers=1, epochs=99))
    checkpoint.check_same("folder", run, more)


def test_a_run_keeps_its_languages_and_older_ones_have_those_of_the_demo(run, tmp_path):
    checkpoint.save_run(tmp_path, dataclasses.replace(run, languages=("es", "en")))
    assert checkpoint.load_run(tmp_path, weights=None).languages == ("es", "en")
    checkpoint.write_json(tmp_path / "run.json", {"data": "demo", "seed": 7})
    assert checkpoint.load_run(tmp_path, weights=None).languages == ("pt", "en")


def test_the_log_is_cut_to_the_epochs_that_were_kept(tmp_path):
    rows = [{"epoch": epoch, "loss": 3.5 - epoch, "val_loss": 4.0} for epoch in range(3)]
    checkpoint.write_log(tmp_path, rows)
    assert checkpoint.read_log(tmp_path, 3) == rows
    assert checkpoint.read_log(tmp_path, 2) == rows[:2]
    assert checkpoint.read_log(tmp_path / "absent", 2) == []


def test_a_damaged_log_is_named(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n0,3.5\n1\n")
    with pytest.raises(UserError, match=r"log\.csv is damaged"):
        checkpoint.read_log(tmp_path, 2)


def test_clearing_a_run_leaves_other_files(folder):
    (folder / "notes.txt").write_text("mine")
    checkpoint.clear_run(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
