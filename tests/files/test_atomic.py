"""`replacing`, `replacing_all`: the old files or the new ones, whatever happens."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bcq_tf.files import atomic
from bcq_tf.files.atomic import replacing, replacing_all, write_atomically


def test_the_new_file_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    with replacing(str(path), ".keras") as temporary:
        assert temporary.endswith(".keras")
        assert os.path.dirname(temporary) == str(tmp_path)
        with open(temporary, "wb") as file:
            file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.keras"]


def write_then_raise(path, written, error):
    with replacing(path) as temporary:
        if written:
            with open(temporary, "wb") as file:
                file.write(b"ne")
        raise error


@pytest.mark.parametrize("written", [True, False], ids=["half written", "nothing written"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, written, error):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_then_raise(str(path), written, error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.keras"]


def test_missing_folders_are_made(tmp_path):
    paths = [str(tmp_path / "a/b/c"), str(tmp_path / "d/e")]
    with replacing_all(paths) as temporaries:
        for temporary in temporaries:
            Path(temporary).write_bytes(b"new")
    assert [Path(path).read_bytes() for path in paths] == [b"new", b"new"]


def test_a_way_through_a_file_is_said_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    entered = False
    wanted = pytest.raises(NotADirectoryError, match=f"Is no folder: '{tmp_path}/file'")
    with wanted, replacing_all([str(tmp_path / "new/a"), str(tmp_path / "file/a/b")]):
        entered = True
    assert not entered
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(tmp_path):
    path, link = tmp_path / "real", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    with replacing(str(link)) as temporary, open(temporary, "wb") as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_folder_in_the_place_of_a_file_is_named_before_anything_is_written(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match=f"Is a folder: '{tmp_path}/a'"):
        write_atomically(str(tmp_path / "a"), [b"new"])
    assert os.listdir(tmp_path) == ["a"]


@pytest.fixture
def pair(tmp_path) -> list[str]:
    """Paths of two files in different folders, which hold "old"."""
    (tmp_path / "folder").mkdir()
    paths = [tmp_path / "a", tmp_path / "folder" / "b"]
    for path in paths:
        path.write_bytes(b"old")
    return [str(path) for path in paths]


def contents(paths: list[str]) -> list[bytes]:
    """Of the files, which are all there is in their folders."""
    for path in map(Path, paths):
        assert [other for other in path.parent.iterdir() if other.is_file()] == [path]
    return [Path(path).read_bytes() for path in paths]


def write_some(paths: list[str], count: int, error: type | None = None) -> None:
    """Writes "new" to the first `count` temporary files and raises `error`."""
    with replacing_all(paths) as temporaries:
        for temporary in temporaries[:count]:
            Path(temporary).write_bytes(b"new")
        assert [Path(path).read_bytes() for path in paths] == [b"old", b"old"]
        if error is not None:
            raise error


def test_files_that_belong_together_are_replaced_at_the_end(pair):
    write_some(pair, 2)
    assert contents(pair) == [b"new", b"new"]


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_all_old_files(pair, count, error):
    with pytest.raises(error):
        write_some(pair, count, error)
    assert contents(pair) == [b"old", b"old"]


def test_none_is_renamed_where_one_was_not_written(pair):
    with pytest.raises(FileNotFoundError):
        write_some(pair, 1)
    assert contents(pair) == [b"old", b"old"]


def fill(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_with(path, step):
    with replacing(path) as temporary:
        if step == "open":
            os.rmdir(os.path.dirname(temporary))
        with open(temporary, "wb") as file:
            fill() if step == "write" else file.write(b"new")


def write_into_nothing(*_):
    raise OSError("8 requested and 0 written")  # as NumPy


@pytest.mark.parametrize("step", ["write", "fsync", "rename", "open"])
def test_errors_of_the_disk_name_the_path_that_was_given(tmp_path, monkeypatch, step):
    monkeypatch.chdir(tmp_path)
    kind, number = OSError, errno.ENOSPC
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fill)
    elif step == "rename":
        os.mkdir("folder")
        kind, number = IsADirectoryError, errno.EISDIR
        monkeypatch.setattr(os.path, "isdir", lambda path: path == str(tmp_path))
    elif step == "open":
        kind, number = FileNotFoundError, errno.ENOENT
    path = "folder" if step == "rename" else "a.bcq.npy"
    with pytest.raises(kind) as caught:
        write_with(path, step)
    assert (caught.value.errno, caught.value.filename, caught.value.filename2) == (
        number, path, None)  # fmt: skip
    assert str(caught.value) == f"[Errno {number}] {os.strerror(number)}: '{path}'"
    assert not os.path.exists(tmp_path) or os.listdir(tmp_path) in ([], ["folder"])


def test_errors_without_a_number_name_it_too_and_those_of_other_files_stay(tmp_path):
    path = str(tmp_path / "a")
    with pytest.raises(OSError, match=r"^8 requested and 0 written: '.*a'$"), replacing(path):
        write_into_nothing()
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        os.stat("elsewhere")
    assert caught.value.filename == "elsewhere"


def test_of_several_files_the_one_is_named_that_failed(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    with pytest.raises(FileNotFoundError) as caught, replacing_all(paths) as (first, _):
        Path(first).write_bytes(b"")  # and the second is not written
    assert caught.value.filename == paths[1]


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from bcq_tf.files.atomic import write_atomically
write_atomically(sys.argv[2], (os.kill(os.getpid(), 9) for _ in range(1)))
"""


def test_the_temporary_file_of_a_killed_writer_goes_with_the_next_write(tmp_path):
    path = str(tmp_path / "a")
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parents[2]), path]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(os.listdir(tmp_path)) == 1
    write_atomically(path, [b"new"])
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / "some" / "folder")

    def write(error: type[BaseException] | None = None):
        with replacing(path) as temporary:
            (Path(temporary) / "inside").mkdir(parents=True)
            (Path(temporary) / "inside" / "file").write_bytes(b"new")
            if error:
                raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            write(error)
        assert os.listdir(tmp_path / "some") == []
    write()
    assert os.listdir(tmp_path / "some") == ["folder"]
    assert (tmp_path / "some" / "folder" / "inside" / "file").read_bytes() == b"new"


def name_of_temporary(machine=None, process=None) -> str:
    machine = machine or atomic._machine(os.getpid())
    return f".bcq-{machine}-{process or os.getpid()}-{'0' * 32}.tmp"


@pytest.mark.parametrize(
    ("name", "days", "stays"),
    [
        (name_of_temporary(), 0, True),  # of this process, in another thread
        (name_of_temporary(process=os.getppid()), 0, True),
        (name_of_temporary("00000000"), 0, True),  # another machine in the same folder
        (name_of_temporary("00000000"), 2, False),
        (name_of_temporary(process=10**30), 0, True),
        (f".{'0' * 32}.tmp", 9, True),  # not ours
        (".bcq-notes.tmp", 9, True),
        ("model.bcq.npy", 9, True),
    ],
    # Not by name, which has the number of a process: workers must agree on what they run.
    ids=["own", "parents", "elsewhere", "old", "beyond", "nameless", "notes", "model"],
)
@pytest.mark.parametrize("folder", [False, True])
def test_only_what_nobody_writes_any_more_is_removed(tmp_path, name, days, stays, folder):
    if folder:
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "file").touch()
    else:
        (tmp_path / name).touch()
    past = time.time() - days * 24 * 3600
    os.utime(tmp_path / name, (past, past))
    write_atomically(str(tmp_path / "new"), [b"new"])
    assert sorted(os.listdir(tmp_path)) == sorted([name, "new"] if stays else ["new"])
