"""Gzipped files: equal for equal vectors, and named with the line where they are cut."""

import gzip
import re
import tracemalloc

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


@pytest.mark.parametrize(
    ("start", "place"),
    [(b"", "line 1"), (b"a 1 2\n", "line 1"), (b"a 1 2\n" * 2_000, r"line \d+")],
)
@pytest.mark.parametrize("endless", [b"1 ", b"a"])
def test_a_line_without_end_takes_little_memory(tmp_path, start, place, endless):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(start + endless * (8_000_000 // len(endless))))
    tracemalloc.start()
    try:
        with pytest.raises(VectorFileError, match=f"{place}: a line is longer than 1048576 bytes"):
            read_vectors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


def test_a_header_of_endless_vectors_takes_little_memory(tmp_path):
    path = tmp_path / "a.bin.gz"
    path.write_bytes(gzip.compress(b"10 999999999\na " + bytes(20_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(VectorFileError, match="at most 1048576 numbers. Received: 999999999"):
            read_vectors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
