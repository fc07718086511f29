"""`replacing`: the old file or the new one, whatever happens."""

import os

import pytest

from bcq_tf.atomic import replacing


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


def test_a_missing_folder_is_said_before_anything_is_written(tmp_path):
    entered = False
    with pytest.raises(FileNotFoundError, match="nowhere"), replacing(str(tmp_path / "nowhere/a")):
        entered = True
    assert not entered
    assert os.listdir(tmp_path) == []


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(tmp_path):
    path, link = tmp_path / "real", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    with replacing(str(link)) as temporary, open(temporary, "wb") as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
