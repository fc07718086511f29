"""Bad arguments and interrupts: the old file stays, and no half of a new one."""

import errno
import os
import stat
import subprocess
import sys
import time

import ml_dtypes
import numpy as np
import pytest

from bcq_tf import read, save
from bcq_tf.codes import BinaryCodes
from bcq_tf.files.container import MAX_HEADER_BYTES
from bcq_tf.files.file import check_output
from tests.files import golden_files
from tests.files.values import random_codes

ROOT = golden_files.DATA.parents[2]
F4 = np.ones(3, np.float32)


TWO_DTYPES = BinaryCodes(
    [np.ones((1, 1), np.uint32)] * 2, [np.ones((1, 1), "f2"), np.ones((1, 1), "f4")], 1
)
LOOP = {}
LOOP["a"] = LOOP


class NotADict(dict):
    pass


@pytest.mark.parametrize(("tensors", "metadata", "error", "message"), [
    ([("a", F4)], None, TypeError, "`tensors` must be a mapping. Received: list"),
    ({1: F4}, None, TypeError, "`tensors` must have strings as keys. Received: 1"),
    ({"": F4}, None, ValueError, "printable names. Received: ''"),
    ({"a\n": F4}, None, ValueError, r"printable names. Received: 'a\\n'"),
    ({"\ud800": F4}, None, ValueError, "printable names. Received"),
    ({"__metadata__": F4}, None, ValueError, "printable names. Received: '__metadata__'"),
    ({"a": np.array(["x"])}, None, TypeError, r"Received: ndarray of dtype <U1 \(weight 'a'\)"),
    ({"a": np.array([{}])}, None, TypeError, r"dtype object \(weight 'a'\)"),
    ({"a": np.ones(2, complex)}, None, TypeError, r"dtype complex128 \(weight 'a'\)"),
    ({"a": np.ones(2, np.longdouble)}, None, TypeError, r"dtype .* \(weight 'a'\)"),
    ({"a": np.zeros(2, "datetime64[s]")}, None, TypeError, "dtype datetime64"),
    ({"a": np.zeros(2, ml_dtypes.int4)}, None, TypeError, "dtype int4"),
    ({"a": np.zeros(2, [("x", "f4")])}, None, TypeError, "Received: ndarray of dtype"),
    ({"a": None}, None, TypeError, "Received: NoneType of dtype object"),
    ({"a": random_codes(0, 2, 3, 1), "a/planes": F4}, None, ValueError, "Received: 'a/planes'"),
    ({"a": TWO_DTYPES}, None, ValueError, r"`scales` must be of one dtype.* \(weight 'a'\)"),
    ({}, [], TypeError, "`metadata` must be a dict. Received: list"),
    ({}, {1: 2}, TypeError, "`metadata` must have strings as keys. Received: 1"),
    ({}, {"a": {"b": [0, {None: 1}]}}, TypeError, r"`metadata`\['a'\]\['b'\]\[1\] must have str"),
    ({}, {"a": float("nan")}, ValueError, r"`metadata`\['a'\] must be finite. Received: nan"),
    ({}, {"a": [1, -np.inf]}, ValueError, r"`metadata`\['a'\]\[1\] must be finite"),
    ({}, {"a": np.float32(1)}, TypeError, r"`metadata`\['a'\] .* Received: float32"),
    ({}, {"a": {1, 2}}, TypeError, r"`metadata`\['a'\] must be a value that JSON has. .* set"),
    ({}, {"a": b"x"}, TypeError, "Received: bytes"),
    ({}, {"a": np.arange(3)}, TypeError, "Received: ndarray"),
    ({}, LOOP, ValueError, "nested more than 200 levels deep"),
    ({}, {"a": "x" * MAX_HEADER_BYTES}, ValueError, "must take at most 16777216 bytes as JSON"),
])  # fmt: skip
def test_bad_arguments_are_refused_and_the_old_file_stays(
    tmp_path, tensors, metadata, error, message
):
    path = tmp_path / "a.bcq.npy"
    path.write_bytes(b"precious")
    with pytest.raises(error, match=message) as caught:
        save(path, tensors, metadata)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.bcq.npy"]


@pytest.mark.parametrize("name", ["a.npy", "a.bcq", "a.bcq.npy.tmp", "abcq.npy"])
def test_a_path_of_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"`path` must end with '\.bcq\.npy'\. Received: path="):
        save(tmp_path / name, {})
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "some" / "folder" / "a.bcq.npy"
    save(path, {"old": F4})
    assert list(read(path)) == ["old"]


def test_an_output_is_checked_without_being_touched(tmp_path):
    path = tmp_path / "none" / "a.bcq.npy"
    check_output(path)
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match=r"`filepath` must end with '\.bcq\.npy'\. Received: file"):
        check_output(tmp_path / "a.npy", "filepath")
    (tmp_path / "none").write_bytes(b"a file")
    with pytest.raises(NotADirectoryError, match="Is no folder: .*none'"):
        check_output(path)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")], ids=repr
)
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, where, error):
    path = tmp_path / "a.bcq.npy"
    save(path, {"old": F4})
    before = path.read_bytes()

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, where, fail)
        with pytest.raises(type(error)):
            save(path, {"new": F4})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.bcq.npy"]


def test_the_data_reach_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append((kind, os.fstat(descriptor).st_size))
        fsync(descriptor)

    def logged_replace(source, target):
        assert os.path.dirname(source) == os.path.dirname(target)
        calls.append(("replace",))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "replace", logged_replace)
    size = save(tmp_path / "a.bcq.npy", {"a": F4})
    assert [call[0] for call in calls] == ["file", "replace", "folder"]
    assert calls[0] == ("file", size)


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    save(tmp_path / "a.bcq.npy", {})
    (tmp_path / "b").touch()
    assert (tmp_path / "a.bcq.npy").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.bcq.npy").symlink_to(tmp_path / "there" / "b")
    save(tmp_path / "a.bcq.npy", {"a": F4})
    assert (tmp_path / "a.bcq.npy").is_symlink()
    assert list(read(tmp_path / "there" / "b")) == ["a"]


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.bcq.npy"
    save(path, {"a": np.zeros(2_000_000)})
    code = (
        "import numpy as np, sys; from bcq_tf import save; print(flush=True)\n"
        "for i in range(10**9): save(sys.argv[1], {'a': np.full(2_000_000, float(i))})"
    )
    for seconds in (0.05, 0.11, 0.2):
        command = [sys.executable, "-c", code, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        array = read(path)["a"]
        assert np.all(array == array[0])
