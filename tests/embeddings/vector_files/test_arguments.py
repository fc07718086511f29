"""Arguments of `read_vectors` and `write_vectors`: rules, missing files, progress."""

import os

import pytest

from bcq_tf.embeddings import read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import GLOVE, some_vectors


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.bin", "a.npy"])
def test_a_file_that_is_missing(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.bin", "a.npy"])
def test_missing_folders_are_made(tmp_path, name):
    path = tmp_path / "some" / "folder" / name
    written = write_vectors(path, some_vectors())
    assert sorted(os.listdir(path.parent)) == sorted(map(os.path.basename, written))
    assert read_vectors(path).words == some_vectors().words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pickle"}, "`format` must be None or one of .* Received: 'pickle'"),
        ({"limit": 0}, "`limit` must be None or a positive integer. Received: 0"),
        ({"words": "b"}, "`words` must be None but for a .npy matrix. Received: 'b'"),
        ({"name": "a.npy.gz"}, r"`path` must not end with .gz for a .npy matrix. Received: '.*gz'"),
        ({"format": "word2vec"}, "line 1: the header of two integers"),
    ],
)
def test_arguments_that_break_their_rules(read, options, message):
    with pytest.raises(ValueError, match=message):
        read(GLOVE, **options)


def test_paths_must_be_paths():
    for call in (lambda: read_vectors(None), lambda: write_vectors(None, some_vectors())):
        with pytest.raises(TypeError, match="`path` must be a path. Received: NoneType"):
            call()
    with pytest.raises(TypeError, match="`words` must be a path. Received: int"):
        read_vectors("a.npy", words=3)


def test_progress_is_shown_where_it_is_asked_for(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(GLOVE)
    read_vectors(tmp_path / "a.txt")
    assert capsys.readouterr() == ("", "")
    read_vectors(tmp_path / "a.txt", verbose=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "a.txt" in printed.err
