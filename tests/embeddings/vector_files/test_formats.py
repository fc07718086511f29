"""The format of a file: its name tells it, or else what is in it."""

import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import NUMBERS, WORDS, assert_same, binary, some_vectors


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.txt", b"\xc3\x9f "),
        ("a.bin", b"40 7\n"),
        ("a.npy", b"\x93NUMPY"),
        ("a.gz", b"\x1f\x8b"),
        ("a.vec", b"40 7\n"),
    ],
)
def test_the_format_written_follows_the_name(tmp_path, name, start):
    write_vectors(tmp_path / name, some_vectors())
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.vec", "a.txt", "a.dat", "a.vec.gz", "a.dat.gz"])
@pytest.mark.parametrize("dimension", [1, 2, 300, 9000])
def test_text_with_a_header_and_control_characters_is_no_binary(tmp_path, name, dimension):
    vectors = WordVectors(["a\x01b", "\x00", "c"], some_vectors(9, dimension).matrix[:3])
    write_vectors(tmp_path / name, vectors, "word2vec")
    assert_same(read_vectors(tmp_path / name), vectors)


@pytest.mark.parametrize("name", ["a.vec", "a.txt.gz"])
def test_names_of_text_are_believed(read, name):
    with pytest.raises(VectorFileError, match=f"{name}', line 2: "):
        read(binary(), name)
    assert_same(read(binary(), name, format="word2vec-binary"), WordVectors(WORDS, NUMBERS))
