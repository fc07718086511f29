"""CompressedVectors: rows and neighbours from codes, in one file."""

import numpy as np
import pytest

import bcq_tf
from bcq_tf import FileFormatError
from bcq_tf.embeddings import (
    CompressedVectors,
    UnknownWordError,
    WordVectors,
    read_vectors,
    write_vectors,
)
from tests.embeddings.tables import KINDS, some_codes

WORDS = [f"wörd {i}" for i in range(60)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_codes(kind):
    codes = some_codes(kind)
    vectors = CompressedVectors(WORDS, codes)
    matrix = codes.reconstruct()
    assert (vectors.shape, vectors.nbytes) == ((60, 12), codes.nbytes)
    np.testing.assert_array_equal(vectors.vector("wörd 7"), matrix[7])
    np.testing.assert_array_equal(vectors.rows([3, 3, 59]), matrix[[3, 3, 59]])


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_those_of_the_dequantized_vectors(kind):
    vectors = CompressedVectors(WORDS, some_codes(kind))
    matrix = vectors.codes.reconstruct().astype(np.float64)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    cosines = matrix @ matrix[7]
    found = vectors.neighbours("wörd 7", 5)
    expected = np.sort(np.delete(cosines, 7))[::-1][:5]
    assert [c for _, c in found] == pytest.approx(expected.tolist(), rel=1e-5)
    assert [cosines[vectors.number(word)] for word, _ in found] == pytest.approx(expected.tolist())
    assert "wörd 7" not in dict(found)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_read(kind, tmp_path):
    vectors = CompressedVectors(WORDS, some_codes(kind))
    path = tmp_path / "a.bcq.npy"
    assert vectors.save(path) == path.stat().st_size
    found = CompressedVectors.read(path)
    assert found.words == vectors.words
    assert type(found.codes) is type(vectors.codes)
    np.testing.assert_array_equal(found.codes.reconstruct(), vectors.codes.reconstruct())
    assert set(bcq_tf.read(path)) == {"embeddings", "words"}


def test_the_file_is_as_large_as_codes_and_words(tmp_path):
    words = [f"word{i}" for i in range(20_000)]
    vectors = CompressedVectors(words, some_codes("uniform", 20_000, 50))
    size = vectors.save(tmp_path / "a.bcq.npy")
    assert vectors.nbytes == pytest.approx(20_000 * 19, rel=0.001)  # ceil(50 x 3 / 8) = 19
    assert size == pytest.approx(vectors.nbytes + len("\n".join(words)), rel=0.01)


def test_any_format_takes_the_dequantized_vectors(tmp_path):
    vectors = CompressedVectors([word.replace(" ", "_") for word in WORDS], some_codes("uniform"))
    for name in ("a.txt", "a.bin", "a.npy"):
        write_vectors(tmp_path / name, vectors)
        found = read_vectors(tmp_path / name)
        assert found.words == vectors.words
        np.testing.assert_array_equal(found.matrix, vectors.codes.reconstruct())


def test_an_unknown_word():
    with pytest.raises(UnknownWordError, match="must be one of 60 words. Received: 'word 7'"):
        CompressedVectors(WORDS, some_codes("uniform")).neighbours("word 7")


@pytest.mark.parametrize("k", [0, 60])
def test_neighbours_must_be_there(k):
    with pytest.raises(ValueError, match=f"`k` must be from 1 to 59. Received: k={k}"):
        CompressedVectors(WORDS, some_codes("uniform")).neighbours(WORDS[0], k)


@pytest.mark.parametrize(
    ("words", "codes", "error", "message"),
    [
        (WORDS[1:], some_codes("uniform"), ValueError, "must be as many as the vectors, 60. Rec"),
        (WORDS, np.ones((60, 12)), TypeError, "`codes` must be BinaryCodes, CompositionalCodes or"),
    ],
)
def test_what_it_refuses(words, codes, error, message):
    with pytest.raises(error, match=message):
        CompressedVectors(words, codes)


def test_words_with_line_ends_cannot_be_saved(tmp_path):
    vectors = CompressedVectors(["a\nb", *WORDS[1:]], some_codes("uniform"))
    with pytest.raises(ValueError, match=r"`words` must have no line ends .* 'a\\nb'"):
        vectors.save(tmp_path / "a.bcq.npy")
    assert list(tmp_path.iterdir()) == []


def text(value: bytes) -> np.ndarray:
    return np.frombuffer(value, np.uint8)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"embeddings": some_codes("uniform")}, "holds no compressed word vectors"),
        ({"embeddings": np.ones((2, 2)), "words": text(b"a\nb")}, "holds no compressed word vect"),
        ({"embeddings": some_codes("uniform"), "words": np.ones(3)}, "holds no compressed word"),
        ({"embeddings": some_codes("uniform"), "words": text(b"a\nb")},
         "words: `words` must be as many as the vectors, 60. Received: 2 words"),
        ({"embeddings": some_codes("uniform"), "words": text(b"\xff")}, "words: 'utf-8' codec"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_that_hold_something_else(tmp_path, tensors, message):
    bcq_tf.save(tmp_path / "a.bcq.npy", tensors)
    with pytest.raises(FileFormatError, match=f"a.bcq.npy'[, ]* {message}"):
        CompressedVectors.read(tmp_path / "a.bcq.npy")


def test_word_vectors_are_no_codes():
    vectors = WordVectors(["a"], np.ones((1, 2)))
    with pytest.raises(TypeError, match="Received: WordVectors"):
        CompressedVectors(["a"], vectors)
