"""Which runs go on with which files, and runs that are cut short at any point."""

import contextlib
import json
import os
import shutil

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf import BCQCallback
from bcq_tf.files import file
from bcq_tf.training import backups, checkpoints
from tests.eager import eagerly
from tests.small_models import batches, compiled_mlp

from .test_callback import RULES, fit, is_quantized

EPOCHS = 3
NAMES = {1: "m.bcq.npy", 2: "{epoch}.bcq.npy"}  # by `keep`


class Killed(BaseException):
    """Stands for a kill: nothing that catches exceptions of Python's goes on after it."""


def train(folder, latent=False, keep=1, backup=1, killed=None, rate=0.1, **options):
    """The history and the callback of the same run each time, from its backup where there is one.

    killed: a context that ends the run in a `Killed`; backup: the place of BackupAndRestore in the
    list, 1 or 2, or False.
    """
    keras.utils.set_random_seed(1)
    settings = {"rules": RULES, "latent": latent, "every_n_steps": 3, "keep": keep} | options
    ours = BCQCallback(folder / NAMES[keep], settings.pop("bits", 1), **settings)
    callbacks = [ours]
    if backup is not False:
        callbacks.insert(backup - 1, keras.callbacks.BackupAndRestore(folder / "backup"))
    model = compiled_mlp(keras.optimizers.SGD(rate, momentum=0.5))
    with killed or contextlib.nullcontext():
        return fit(model, callbacks, epochs=EPOCHS).history, ours
    return None, ours


def content(folder) -> dict:
    """{file name: (value, epoch, codes and arrays)} of the files of a run."""
    found = {}
    for path in sorted(folder.glob("*.bcq.npy")):
        opened = bcq_tf.read(path)
        parts = {
            f"{name}/{part}": array.tobytes()
            for name, value in opened.items()
            for part, array in getattr(value, "arrays", lambda v=value: {"": v})().items()
        }
        metadata = opened.metadata
        found[path.name] = metadata["value"], metadata["epoch"], metadata["step"], parts
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    with eagerly():
        train(folder, backup=False)
    return folder


@pytest.fixture
def done(whole, tmp_path):
    """A copy of it, in which other runs begin."""
    return shutil.copytree(whole, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def undisturbed(whole, tmp_path_factory):
    """Content of the files of the runs that nothing disturbs, by (latent, keep)."""
    folder = tmp_path_factory.mktemp("latent")
    with eagerly():
        train(folder, True, 2, backup=False)
    return {(False, 1): content(whole), (True, 2): content(folder)}


@contextlib.contextmanager
def kill(owner, name, call, where="before"):
    """Kills at a call, counted from 1, of a function, before it or after it."""
    original, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == call and where == "before":
            raise Killed
        result = original(*args, **kwargs)
        if len(calls) == call:
            raise Killed
        return result

    setattr(owner, name, counted)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        setattr(owner, name, original)


POINTS = {
    "before the best file is written": (file, "save", 3, "before"),
    "before the file is in place": (os, "replace", 5, "before"),
    "between the file and the state": (checkpoints.BestFiles, "save", 2, "after"),
    "between the state and the backup": (keras.Model, "save_weights", 2, "before"),
    "within the backup": (keras.Model, "save_weights", 2, "after"),
    "after the backup": (backups._Backup, "save", 2, "after"),
    "before the first backup": (BCQCallback, "on_train_batch_end", 2, "before"),
    "between two steps": (BCQCallback, "on_train_batch_end", 7, "before"),
    "in a validation": (BCQCallback, "on_test_begin", 2, "after"),
    "before the end": (backups._Backup, "end", 1, "before"),
}


@pytest.mark.parametrize(
    ("point", "latent", "keep"),
    [(point, *((False, 1), (True, 2))[i % 2]) for i, point in enumerate(POINTS)],
)
def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path, undisturbed, point, latent, keep):
    train(tmp_path, latent, keep, killed=kill(*POINTS[point]))
    train(tmp_path, latent, keep)
    assert content(tmp_path) == undisturbed[latent, keep]
    assert not (tmp_path / "backup").exists()


# An epoch renames the best file, the state, Keras' weights and Keras' number of the epoch.
@pytest.mark.parametrize("call", [3, 5, 6, 7])
def test_a_kill_between_renames(tmp_path, undisturbed, call):
    train(tmp_path, True, 2, killed=kill(os, "replace", call, "after"))
    train(tmp_path, True, 2)
    assert content(tmp_path) == undisturbed[True, 2]


def test_backup_and_restore_may_stand_after_ours(tmp_path, undisturbed, capsys):
    train(tmp_path, True, 2, backup=2, killed=kill(keras.Model, "save_weights", 2))
    train(tmp_path, True, 2, backup=2)
    assert content(tmp_path) == undisturbed[True, 2]
    assert capsys.readouterr().out.count("Going on with") == 1


def test_a_kill_while_the_backup_is_removed_starts_a_run_of_its_own(tmp_path, undisturbed):
    removing = kill(keras.callbacks.BackupAndRestore, "on_train_end", 1)
    train(tmp_path, killed=removing)
    assert os.listdir(tmp_path / "backup")
    history, _ = train(tmp_path)
    assert len(history["loss"]) == EPOCHS  # not 0, with the weights of the beginning
    before = content(tmp_path)
    assert before.pop("m.previous.bcq.npy") == before["m.bcq.npy"]
    assert before == undisturbed[False, 1]


def test_without_a_path_the_best_epoch_stands_beside_the_backup(tmp_path):
    def run(killed=None):
        keras.utils.set_random_seed(1)
        model = compiled_mlp(keras.optimizers.SGD(-0.02))  # climbs
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        ours = BCQCallback(bits=1, rules=RULES, latent=True)
        with killed or contextlib.nullcontext():
            fit(model, [backup, ours], epochs=2)
        return ours.best, model.get_weights()

    run(kill(BCQCallback, "on_train_batch_end", 6))
    best, weights = run()
    whole, expected = run()
    assert best == whole
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert os.listdir(tmp_path) == []


def test_a_second_fit_is_a_run_of_its_own(tmp_path, capsys):
    """Folds of a cross-validation, a notebook that is run again."""
    train(tmp_path, backup=False)
    first = content(tmp_path)["m.bcq.npy"]
    assert capsys.readouterr().out == ""
    _, ours = train(tmp_path, backup=False, rate=0.0)  # never as good
    assert ours.best > first[0]
    found = content(tmp_path)
    assert found["m.bcq.npy"][0] == ours.best
    assert found["m.previous.bcq.npy"] == first
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.endswith(f"it is kept as {tmp_path}/m.previous.bcq.npy")


@pytest.mark.parametrize("keep", [1, 2])
def test_a_run_that_is_told_to_goes_on_with_the_best_value(tmp_path, capsys, keep):
    _, first = train(tmp_path, keep=keep, backup=False)
    before = content(tmp_path)
    _, again = train(tmp_path, keep=keep, backup=False, rate=0.0, resume=True)  # never as good
    assert content(tmp_path) == before
    assert again.best == first.best
    loss = again.model.evaluate(batches(seed=2), verbose=0)
    assert loss == pytest.approx(first.best, rel=1e-5)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"Going on with {tmp_path}/")


def test_a_run_that_is_told_to_without_a_file_starts(tmp_path, capsys):
    train(tmp_path, backup=False, resume=True)
    assert capsys.readouterr().out == ""


def test_a_run_that_is_told_not_to_does_not(tmp_path, capsys):
    train(tmp_path, killed=kill(BCQCallback, "on_train_batch_end", 10))
    train(tmp_path, resume=False)
    assert "Going on" not in capsys.readouterr().out
    assert len(content(tmp_path)) == 2  # with the previous one


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ({"bits": 2}, "config"),
        ({"rules": {"hidden/kernel": 1, "*": None}}, "weights, skipped"),
        ({"monitor": "loss"}, "monitor"),
        ({"mode": "max"}, "mode"),
    ],
    ids=str,
)
def test_files_of_other_settings_are_not_gone_on_with(done, options, differs):
    before = content(done)
    with pytest.raises(ValueError, match=f"`resume=True` needs .* differs in: {differs}$"):
        train(done, backup=False, resume=True, **options)
    assert content(done) == before


def test_a_backup_of_other_settings_is_not_gone_on_with(tmp_path, capsys):
    train(tmp_path, killed=kill(BCQCallback, "on_train_batch_end", 10))
    _, ours = train(tmp_path, bits=2)
    assert "Going on" not in capsys.readouterr().out
    assert bcq_tf.read(tmp_path / "m.previous.bcq.npy").metadata["config"]["bits"] == 1
    assert bcq_tf.read(tmp_path / "m.bcq.npy").metadata["value"] == ours.best


def test_a_file_of_another_model_is_not_gone_on_with(done):
    ours = BCQCallback(done / "m.bcq.npy", 1, rules=RULES, every_n_steps=3, resume=True)
    layers = [keras.Input((32,)), keras.layers.Dense(40), keras.layers.Dense(4, use_bias=False)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`resume=True` needs .* differs in: the model"):
        fit(model, [ours], epochs=1)


@pytest.mark.parametrize("resume", [0, 1, "auto"])
def test_resume_is_none_true_or_false(resume):
    with pytest.raises(TypeError, match="`resume` must be True, False or None. Received: resume"):
        BCQCallback(resume=resume)


def test_the_file_of_an_earlier_run_may_be_rewritten_in_place(done):
    """A mapping of it would end the process by SIGBUS."""
    path = done / "m.bcq.npy"
    data = path.read_bytes()

    def cut(epoch, logs):
        with open(path, "r+b") as opened:
            opened.truncate(0)

    ours = BCQCallback(path, 1, rules=RULES, every_n_steps=3, resume=True)
    model = compiled_mlp(keras.optimizers.SGD(0.0))
    cutter = keras.callbacks.LambdaCallback(on_epoch_begin=cut)
    fit(model, [cutter, ours], epochs=1)
    assert is_quantized(model, 1)
    path.write_bytes(data)
    loss = model.evaluate(batches(seed=2), verbose=0)
    assert loss == pytest.approx(bcq_tf.read(path).metadata["value"], rel=1e-5)


def test_a_folder_that_is_deleted_while_training_gets_the_best_file_at_the_end(tmp_path, capsys):
    def delete(epoch, logs):
        if epoch == 1:
            os.remove(tmp_path / "a" / "m.bcq.npy")
            os.rmdir(tmp_path / "a")

    model = compiled_mlp(keras.optimizers.SGD(-0.02))  # the first is the best
    ours = BCQCallback(tmp_path / "a" / "m.bcq.npy", rules=RULES)
    fit(model, [keras.callbacks.LambdaCallback(on_epoch_begin=delete), ours])
    assert bcq_tf.read(tmp_path / "a" / "m.bcq.npy").metadata["epoch"] == 0
    assert "m.bcq.npy was gone: it has been written again" in capsys.readouterr().out


def test_backups_between_epochs_hold_the_state_too(tmp_path, capsys):
    def run(**options):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=3)
        ours = BCQCallback(tmp_path / "m.bcq.npy", 2, rules=RULES, latent=True)
        model = compiled_mlp()
        with options.get("killed") or contextlib.nullcontext():
            fit(model, [backup, ours], epochs=2)
        return ours

    run(killed=kill(BCQCallback, "on_train_batch_end", 7))
    assert json.loads((tmp_path / "backup" / "training_metadata.json").read_text())["batch"] == 1
    run()
    assert "Going on with" in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["m.bcq.npy"]
