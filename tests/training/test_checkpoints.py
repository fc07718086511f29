"""`BestFiles`: which files of a run stay, and what becomes of those of other runs."""

import os
import shutil

import numpy as np
import pytest

import bcq_tf
from bcq_tf.training.checkpoints import BestFiles

TENSORS = {"0:w": np.zeros(2, np.float32)}


def metadata(value, step, mode="min", run="this"):
    return {"run": run, "value": value, "mode": mode, "step": step}


def save(files, epoch, value, **options):
    """The file of an epoch, from 0, that ends at step `epoch`."""
    return files.save(TENSORS, metadata(value, epoch, **options), epoch, {"val_loss": value or 0})


def names(folder) -> list[str]:
    return sorted(name.removesuffix(".bcq.npy") for name in os.listdir(folder))


def read_own(files) -> list:
    return [opened for opened in files.read_all() if opened.metadata["run"] == "this"]


@pytest.mark.parametrize(
    ("mode", "values", "stay"),
    [
        ("min", [3, 2, 1], ["02", "03"]),
        ("max", [1, 2, 3], ["02", "03"]),
        ("min", [1, 3, 2], ["01", "03"]),
        ("max", [3, 1, 2], ["01", "03"]),
        ("min", [1, 2, None], ["01", "03"]),  # not rated: the last, as with averaged weights
        ("max", [2, 2, 2], ["02", "03"]),
        (None, [1, 9, 4], ["02", "03"]),  # a file that does not say: each is better than before
    ],
)
@pytest.mark.parametrize("copied", [False, True])
def test_the_best_stay_by_what_the_files_say(tmp_path, mode, values, stay, copied):
    folder = tmp_path / "a"
    files = BestFiles(folder / "{epoch:02d}.bcq.npy", keep=3 if copied else 2)
    for epoch, value in enumerate(values):
        save(files, epoch, value, mode=mode)
    if copied:  # at once, so that all have one time; the run goes on from the copy
        shutil.copytree(folder, tmp_path / "b", copy_function=shutil.copyfile)
        for name in os.listdir(tmp_path / "b"):
            os.utime(tmp_path / "b" / name, (0, 0))
        folder = tmp_path / "b"
        files = BestFiles(folder / "{epoch:02d}.bcq.npy", keep=2)
        files.start(read_own(files))
    assert names(folder) == stay


def test_files_of_other_runs_stay(tmp_path):
    path = tmp_path / "{epoch:02d}.bcq.npy"
    other = BestFiles(path, keep=5)
    for epoch in range(3):
        save(other, epoch, 0.5, run="other")
    (tmp_path / "notes.bcq.npy.txt").write_text("not ours")
    (tmp_path / "later").mkdir()
    files = BestFiles(path, keep=2)
    for epoch in range(2, 6):
        save(files, epoch, 9.0 - epoch)
    expected = ["01", "02", "03.previous", "05", "06", "later", "notes.bcq.npy.txt"]
    assert names(tmp_path) == expected
    assert bcq_tf.read(tmp_path / "03.previous.bcq.npy").metadata["run"] == "other"


def test_a_file_in_the_way_is_kept_once_beside_the_new_one(tmp_path):
    path = tmp_path / "m.bcq.npy"
    for run in ("a", "b", "c"):
        files = BestFiles(path)
        for epoch in range(2):
            kept = save(files, epoch, 1.0, run=run)
            previous = tmp_path / "m.previous.bcq.npy" if run != "a" and epoch == 0 else None
            assert kept == (str(path), previous and str(previous))
    assert names(tmp_path) == ["m", "m.previous"]
    assert bcq_tf.read(path).metadata["run"] == "c"
    assert bcq_tf.read(previous or tmp_path / "m.previous.bcq.npy").metadata["run"] == "b"


def test_an_error_while_a_file_is_written_leaves_that_of_the_other_run(tmp_path):
    path = tmp_path / "m.bcq.npy"
    save(BestFiles(path), 0, 1.0, run="other")
    with pytest.raises(TypeError):
        BestFiles(path).save(TENSORS, {"value": object()}, 0, {})
    assert bcq_tf.read(path).metadata["run"] == "other"


def test_two_runs_on_one_path_take_nothing_from_each_other(tmp_path):
    path = tmp_path / "{epoch:02d}.bcq.npy"
    one, two = BestFiles(path), BestFiles(path)
    save(one, 0, 3.0, run="one")
    save(two, 0, 3.0, run="two")  # in the way
    save(one, 1, 2.0, run="one")  # "01" is no longer the run's to remove
    assert names(tmp_path) == ["01", "01.previous", "02"]
    assert bcq_tf.read(tmp_path / "01.bcq.npy").metadata["run"] == "two"


def test_files_may_vanish_while_they_are_listed_and_removed(tmp_path, monkeypatch):
    files = BestFiles(tmp_path / "{epoch:02d}.bcq.npy")
    save(files, 0, 2.0)
    save(BestFiles(tmp_path / "{epoch:02d}.bcq.npy"), 1, 2.0, run="other")
    listed = files._existing()
    os.remove(tmp_path / "02.bcq.npy")
    monkeypatch.setattr(files, "_existing", lambda: listed)
    assert [opened.path for opened in files.read_all()] == [str(tmp_path / "01.bcq.npy")]
    remove = os.remove

    def remove_twice(path):
        remove(path)
        remove(path)

    monkeypatch.setattr(os, "remove", remove_twice)
    save(files, 2, 1.0)
    assert names(tmp_path) == ["03"]


def test_a_folder_that_is_gone_gets_the_best_file_again(tmp_path):
    folder = tmp_path / "a"
    files = BestFiles(folder / "{epoch:02d}.bcq.npy", keep=2)
    save(files, 0, 1.0)
    save(files, 1, 2.0)
    assert files.save_if_lost(TENSORS, metadata(1.0, 0)) is None
    shutil.rmtree(folder)
    assert files.save_if_lost(TENSORS, metadata(1.0, 0)) == str(folder / "01.bcq.npy")
    assert names(folder) == ["01"]
