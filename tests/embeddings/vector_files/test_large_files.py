"""Files larger than a block: read whole, in little more memory than their vectors take."""

import gzip
import tracemalloc

import numpy as np
import pytest

from bcq_tf.embeddings import read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import assert_same, some_vectors, write_array


def test_a_file_larger_than_the_blocks_it_is_read_in(tmp_path):
    vectors = some_vectors(3000, 150, seed=1)
    for name in ("a.txt", "a.bin", "a.npy"):
        write_vectors(tmp_path / name, vectors)
        assert_same(read_vectors(tmp_path / name), vectors)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.bin", "a.npy"])
def test_memory_peaks_little_above_the_vectors(tmp_path, name):
    rows, columns = 20_000, 250
    row = np.arange(columns, dtype=np.float32) / 8
    if name == "a.npy":
        words = b"".join(b"w%d\n" % i for i in range(rows))
        write_array(tmp_path, np.tile(row, (rows, 1)), words)
    else:
        numbers = row.tobytes() if name == "a.bin" else b" ".join(row.astype("S16").tolist())
        text = b"".join(b"w%d %b\n" % (i, numbers) for i in range(rows))
        text = b"%d %d\n" % (rows, columns) + text
        (tmp_path / name).write_bytes(gzip.compress(text, 1) if name.endswith(".gz") else text)
    tracemalloc.start()
    try:
        vectors = read_vectors(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(vectors.matrix, np.tile(row, (rows, 1)))
    assert peak < 1.5 * vectors.nbytes
