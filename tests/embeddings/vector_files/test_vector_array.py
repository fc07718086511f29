"""A `.npy` matrix with a file of its words: they are read together, or do not fit."""

import gzip

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import (
    GLOVE,
    NUMBERS,
    WORDS,
    assert_same,
    some_vectors,
    write_array,
)


def test_words_of_a_matrix_are_gzipped_where_their_name_says_so(tmp_path):
    vectors, words = some_vectors(), tmp_path / "words.gz"
    write_vectors(tmp_path / "a.npy", vectors, words=words)
    assert gzip.decompress(words.read_bytes()).decode().split("\n")[6] == "</s>"
    assert_same(read_vectors(tmp_path / "a.npy", words=words), vectors)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_a_matrix_of_any_floats(tmp_path, dtype):
    path = write_array(tmp_path, NUMBERS.astype(dtype), b"the\r\n,\r\nof\r\n")
    wanted = WordVectors(WORDS, NUMBERS.astype(dtype).astype(np.float32))
    assert_same(read_vectors(path), wanted)
    (tmp_path / "a.vocab").rename(tmp_path / "words.txt")
    assert_same(read_vectors(path, words=tmp_path / "words.txt"), wanted)


@pytest.mark.parametrize(
    ("matrix", "words", "message"),
    [
        (NUMBERS, b"the\n,\n", "a.vocab', line 3: the file has fewer words than 'a.npy' has rows"),
        (NUMBERS, b"a\nb\nc\nd\n", "a.vocab', line 4: the file has more words than 'a.npy' has"),
        (NUMBERS, b"the\n\nof\n", "a.vocab', line 2: the word is missing"),
        (NUMBERS, b"the\n,\n\xff\n", "a.vocab', line 3: the word"),
        (NUMBERS[0], b"the\n", "a.npy' must be floats [words, D]. Received: float32 [4]"),
        (NUMBERS.astype(int), b"the\n,\nof\n", "a.npy' must be floats [words, D]. Received: int64"),
        (np.float32([[1], [np.nan]]), b"a\nb\n", "a.vocab', line 2: number 1 is NaN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_matrix_and_words_that_do_not_fit(tmp_path, matrix, words, message):
    path = write_array(tmp_path, matrix, words)
    with pytest.raises(VectorFileError) as raised:
        read_vectors(path)
    assert message in str(raised.value)


def test_words_of_a_matrix_after_a_byte_order_mark(tmp_path):
    path = write_array(tmp_path, NUMBERS, b"\xef\xbb\xbfthe\n,\nof\n")
    assert read_vectors(path).words == WORDS


@pytest.mark.filterwarnings("error")
def test_numbers_of_a_matrix_beyond_float32(tmp_path):
    path = write_array(tmp_path, NUMBERS.astype(np.float64) * 1e39, b"the\n,\nof\n")
    with pytest.raises(VectorFileError, match="line 1: number 1 is Inf in float32"):
        read_vectors(path)


def test_a_matrix_that_is_no_npy_file(tmp_path):
    (tmp_path / "a.npy").write_bytes(GLOVE)
    with pytest.raises(VectorFileError, match=r"a.npy' is no whole .npy file of an array"):
        read_vectors(tmp_path / "a.npy")
