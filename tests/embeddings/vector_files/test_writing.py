"""The files that are written are known before, and old ones stay where writing fails."""

import pytest

from bcq_tf.embeddings import WordVectors, read_vectors, write_vectors
from bcq_tf.embeddings.vector_files.vector_file import output_paths
from tests.embeddings.vector_files.conftest import NUMBERS, assert_same, some_vectors


@pytest.mark.parametrize(
    ("name", "options", "written"),
    [("a.txt", {}, ["a.txt"]), ("a.bin.gz", {}, ["a.bin.gz"]), ("a.npy", {}, ["a.npy", "a.vocab"]),
     ("a", {"format": "npy"}, ["a", "a.vocab"]), ("a.npy", {"words": "b"}, ["a.npy", "b"])],
)  # fmt: skip
def test_the_paths_written_are_known_before_and_returned(
    tmp_path, monkeypatch, name, options, written
):
    monkeypatch.chdir(tmp_path)
    assert output_paths(name, **options) == tuple(written)
    assert write_vectors(name, some_vectors(), **options) == tuple(written)
    assert sorted(path.name for path in tmp_path.iterdir()) == written


@pytest.mark.parametrize(
    ("name", "vectors", "words", "error", "message"),
    [
        ("a.txt", NUMBERS, None, TypeError,
         "`vectors` must be WordVectors or CompressedVectors. Received: ndarray"),
        ("a.npy.gz", some_vectors(), None, ValueError, "`path` must not end with .gz for a .npy"),
        ("a.npy", some_vectors(), "a.npy", ValueError,
         "`words` must be another file than `path`. Received: 'a.npy'"),
        ("a.npy", some_vectors(), "../here/a.npy", ValueError, "`words` must be another file than"),
    ],
)  # fmt: skip
def test_what_is_not_written(tmp_path, monkeypatch, name, vectors, words, error, message):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / name).write_bytes(b"precious")
    with pytest.raises(error, match=message):
        write_vectors(name, vectors, words=words)
    assert (folder / name).read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == [name]


FEW = "`vectors` must have few words with blanks among the first for `format` 'glove'; 'word2vec' "


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("a.txt", ["a\nb"], "`vectors` must have words without line ends"),
        ("a.txt", [" a"], "`vectors` must have words without line ends"),
        ("a.txt", ["a "], "`vectors` must have words without line ends"),
        ("a.txt", ["version 2.0"], "a fraction as the last. Received: 'version 2.0'"),
        ("a.txt", ["route 66", "highway 61"], FEW + "takes them. Received: 'route 66'"),
        ("a.txt.gz", ["a", "new york", "los angeles"], FEW + "takes them. Received: 'new york'"),
        ("a.txt", ["a 0"], FEW),
        ("a.txt", ["a\t-1"], FEW),
        (
            "a.txt",
            ["\ufeffa", "b"],
            r"must have no U\+FEFF before the first word for `format` 'glove'",
        ),
        (
            "a.npy",
            ["\ufeffa", "b"],
            r"must have no U\+FEFF before the first word for `format` 'npy'",
        ),
        ("a.bin", ["a b"], "`vectors` must have words without blanks"),
        ("a.bin", ["\na"], "`vectors` must have words without blanks"),
        ("a.npy", ["a\nb"], "`vectors` must have words without line ends"),
    ],
)
def test_words_that_would_not_be_read_back_are_refused(tmp_path, name, words, message):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(ValueError, match=message):
        write_vectors(tmp_path / name, WordVectors(words, NUMBERS[: len(words)]))
    assert (tmp_path / name).read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == [name]


class Interrupted(WordVectors):
    """Vectors of which the reading is stopped."""

    def rows(self, ids):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["a.txt", "a.bin.gz", "a.npy"])
def test_an_interrupt_leaves_the_old_files(tmp_path, name):
    old = some_vectors()
    paths = write_vectors(tmp_path / name, old)
    with pytest.raises(KeyboardInterrupt):
        write_vectors(tmp_path / name, Interrupted(["c", "d"], NUMBERS[:2]))
    assert_same(read_vectors(tmp_path / name), old)
    assert sorted(map(str, tmp_path.iterdir())) == sorted(paths)


def test_words_that_cannot_be_written_leave_the_old_matrix(tmp_path):
    old = some_vectors()
    write_vectors(tmp_path / "a.npy", old)
    (tmp_path / "words").mkdir()
    with pytest.raises(IsADirectoryError, match="Is a folder: .*words'"):
        write_vectors(tmp_path / "a.npy", some_vectors(9, 2), words=tmp_path / "words")
    assert_same(read_vectors(tmp_path / "a.npy"), old)
