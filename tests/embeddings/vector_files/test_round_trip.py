"""What is written comes back, in every format."""

import numpy as np
import pytest

from bcq_tf.embeddings import WordVectors, read_vectors, write_vectors
from bcq_tf.embeddings.vector_files.vector_file import FORMATS
from tests.embeddings.vector_files.conftest import NUMBERS, assert_same, some_vectors

NAMES = {
    "glove": "a.txt",
    "glove gz": "a.txt.gz",
    "word2vec": "a.vec",
    "word2vec gz": "a.vec.gz",
    "word2vec-binary": "a.bin",
    "word2vec-binary gz": "a.bin.gz",
    "npy": "a.npy",
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("count", "dimension"), [(40, 7), (9, 1), (8, 300)])
def test_what_is_written_is_read(tmp_path, kind, count, dimension):
    vectors = some_vectors(count, dimension)
    format = kind.split()[0]
    path = tmp_path / NAMES[kind]
    write_vectors(path, vectors, format)
    assert_same(read_vectors(path), vectors)
    assert_same(read_vectors(path, format), vectors)
    assert_same(read_vectors(path, limit=8), WordVectors(vectors.words[:8], vectors.matrix[:8]))


@pytest.mark.parametrize("words", [["route 66", "highway 61"], ["a 0"], ["\ufeffa", "b"]])
def test_a_header_makes_such_words_readable(tmp_path, words):
    vectors = WordVectors(words, NUMBERS[: len(words)])
    write_vectors(tmp_path / "a.vec", vectors, "word2vec")
    assert_same(read_vectors(tmp_path / "a.vec"), vectors)


def test_words_with_blanks_may_be_many_after_the_first_lines(tmp_path):
    words = [f"w{i}" for i in range(10_000)] + [f"new york {i}" for i in range(30_000)]
    vectors = WordVectors(words, np.ones((40_000, 30), np.float32))
    write_vectors(tmp_path / "a.txt", vectors)
    assert_same(read_vectors(tmp_path / "a.txt"), vectors)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("format", FORMATS)
def test_odd_words_are_read_back_or_refused(tmp_path, format, seed):
    rng = np.random.default_rng(seed)
    characters = list("ab01.-+eE_ \t\r\n\v\x01\x1c\x85\xa0\u2028\ufeffé日")
    written = 0
    for _ in range(100):
        words = {
            "".join(rng.choice(characters, rng.integers(1, 6))) for _ in range(rng.integers(1, 8))
        }
        matrix = rng.standard_normal((len(words), rng.integers(1, 5)))
        vectors = WordVectors(sorted(words), matrix.astype(np.float32))
        path = tmp_path / ("a" + {"word2vec-binary": ".bin", "npy": ".npy"}.get(format, ""))
        try:
            write_vectors(path, vectors, format)
        except ValueError:
            continue
        written += 1
        assert_same(read_vectors(path), vectors)
    assert written > 10
