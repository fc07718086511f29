"""Gzipped files: equal for equal vectors, and named with the line where they are cut."""

import gzip
import re

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import GLOVE, some_vectors


def test_equal_vectors_give_equal_gzip_files(tmp_path):
    for name in ("a.txt.gz", "b.txt.gz"):
        write_vectors(tmp_path / name, some_vectors())
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()


def test_the_lines_before_the_end_of_cut_gzip_data_are_counted(tmp_path):
    text = b"".join(b"word%d %f %f\n" % (i, *row) for i, row in enumerate(
        np.random.default_rng(0).random((10_000, 2))))  # fmt: skip
    packed = gzip.compress(text)
    (tmp_path / "a.txt.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(VectorFileError) as raised:
        read_vectors(tmp_path / "a.txt.gz")
    line = int(re.search(r"line (\d+): the gzip data ends in the middle", str(raised.value))[1])
    assert 4000 < line < 6000


@pytest.mark.parametrize("cut", [5, 15, 60])
def test_gzip_data_that_is_cut_or_damaged(tmp_path, cut):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(GLOVE)[:-cut])
    with pytest.raises(VectorFileError, match=r"a.txt.gz', line [1-4]: the gzip data ends in"):
        read_vectors(path)
    path.write_bytes(GLOVE)
    with pytest.raises(VectorFileError, match="the gzip data is damaged"):
        read_vectors(path)
