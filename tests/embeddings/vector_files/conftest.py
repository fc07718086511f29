"""Vectors and files of them that several tests here read."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

from bcq_tf.embeddings import WordVectors, read_vectors

# Three lines of GloVe 6B 50d, cut to four numbers (Pennington et al. 2014, ODC PDDL 1.0).
GLOVE = b"the 0.418 0.24968 -0.41242 0.1217\n, 0.013441 0.23682 -0.16899 0.40951\nof 0.70853 0.57088 -0.4716 0.18048\n"  # noqa: E501
NUMBERS = np.array(
    [[0.418, 0.24968, -0.41242, 0.1217], [0.013441, 0.23682, -0.16899, 0.40951],
     [0.70853, 0.57088, -0.4716, 0.18048]], np.float32)  # fmt: skip
WORDS = ("the", ",", "of")


def some_vectors(count=40, dimension=7, seed=0) -> WordVectors:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, dimension)) * 10.0 ** rng.integers(-8, 8, (count, 1))
    words = ["ß", "日本", "route-66", "1.5", "\xa0", "a\x85b", "</s>"]
    words += [f"word{i}" for i in range(count - len(words))]
    return WordVectors(words, values.astype(np.float32))


def assert_same(found: WordVectors, wanted: WordVectors) -> None:
    assert found.words == wanted.words
    np.testing.assert_array_equal(found.matrix, wanted.matrix)


def binary(header=b"3 4\n", end=b"\n") -> bytes:
    rows = zip(WORDS, NUMBERS, strict=True)
    return header + b"".join(word.encode() + b" " + row.tobytes() + end for word, row in rows)


def write_array(folder, matrix, words: bytes) -> Path:
    np.save(folder / "a.npy", matrix)
    (folder / "a.vocab").write_bytes(words)
    return folder / "a.npy"


@pytest.fixture
def read(tmp_path):
    """read(bytes, name, **options) -> `read_vectors` of a file with these bytes."""

    def call(data: bytes, name="a.txt", **options):
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read_vectors(path, **options)

    return call
