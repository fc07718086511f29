"""`embed compress` writes the codes of the library, and says what they take."""

import numpy as np
import pytest

import bcq_tf
from bcq_tf.embeddings import (
    CompressedVectors,
    additive_codes,
    compress,
    distance,
    quantize_uniform,
)
from tests.eager import in_steps

from .conftest import COLUMNS, ROWS


@pytest.mark.parametrize(
    ("words", "make"),
    [
        (["--method", "uniform", "--bits", "3"], lambda m: quantize_uniform(m, 3)),
        (["--method", "binary", "--bits", "2"], lambda m: bcq_tf.quantize(m, 2)),
        (["--method", "compositional", "--M", "4", "--K", "5", "--seed", "3"],
         lambda m: additive_codes(m, 4, 5, seed=3, dtype="float16")),
        (["--method", "compositional", "--M", "4", "--K", "5", "--dtype", "float32"],
         lambda m: additive_codes(m, 4, 5, dtype="float32")),
    ],
    ids=["uniform", "binary", "compositional", "float32"],
)  # fmt: skip
def test_compress_writes_the_codes_of_the_library(files, run_json, tmp_path, words, make):
    out = tmp_path / "out.bcq.npy"
    shown = run_json("embed", "compress", files / "a.txt", out, *words)
    expected = make(files.vectors.matrix)
    found = CompressedVectors.read(out)
    assert found.words == files.vectors.words
    np.testing.assert_array_equal(found.codes.reconstruct(), expected.reconstruct())
    moved = distance(files.vectors, expected)
    assert (shown["mean_distance"], shown["relative_error"]) == (moved.mean, moved.relative_error)
    assert (shown["nbytes"], shown["file_nbytes"]) == (expected.nbytes, out.stat().st_size)
    assert shown["shape"] == [ROWS, COLUMNS]
    assert shown["float_nbytes"] == 4 * ROWS * COLUMNS


def test_compress_shows_sizes_and_error(files, run, tmp_path):
    out = tmp_path / "out.bcq.npy"
    text = run("embed", "compress", files / "a.txt", out, "--method", "uniform", "--bits", "2",
               "--limit", "50")  # fmt: skip
    assert "vectors         50 of 10 numbers" in text
    assert "codes           uniform, 154 bytes, 2.464 bits a weight" in text  # 50 x 3 and a limit
    assert text.splitlines()[-1].startswith(f"Written: {out}, {out.stat().st_size:,} bytes")


@in_steps
def test_compress_by_gradients(files, run_json, tmp_path):
    out = tmp_path / "out.bcq.npy"
    words = ["--method", "compositional", "--trainer", "gumbel", "--M", "2", "--K", "4"]
    shown = run_json("embed", "compress", files / "a.txt", out, *words, "--epochs", "2")
    matrix = files.vectors.matrix
    expected = compress(matrix, "compositional", M=2, K=4, trainer="gumbel", epochs=2)
    assert shown["nbytes"] == expected.nbytes
    found = CompressedVectors.read(out).codes
    np.testing.assert_array_equal(found.reconstruct(), expected.reconstruct())
