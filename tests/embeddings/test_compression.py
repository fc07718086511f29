"""compress: the codes of each method, and the settings that belong to it."""

import functools

import numpy as np
import pytest

import bcq_tf
from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings import additive_codes, compress, distance, quantize_uniform
from bcq_tf.embeddings.compression import most_codebooks
from tests.eager import eagerly, in_steps
from tests.embeddings.tables import some_matrix

MATRIX = some_matrix(80, 9)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"bits": 3}, quantize_uniform(MATRIX, 3)),
        ({"method": "uniform", "bits": 8}, quantize_uniform(MATRIX, 8)),
        ({"method": "binary", "bits": 2}, bcq_tf.quantize(MATRIX, 2)),
        ({"method": "binary", "bits": 1, "dtype": "float32"},
         bcq_tf.quantize(MATRIX, 1, scale_dtype="float32")),
        ({"method": "compositional", "M": 3, "K": 7},
         additive_codes(MATRIX, 3, 7, dtype="float16")),
        ({"method": "compositional", "M": 2, "K": 4, "seed": 5, "dtype": "float32"},
         additive_codes(MATRIX, 2, 4, seed=5)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_each_method_is_the_function_of_the_library(settings, expected):
    found = compress(MATRIX, **settings)
    assert type(found) is type(expected)
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)


def test_the_gumbel_trainer(capsys):
    settings = {"trainer": "gumbel", "M": 4, "K": 4, "dtype": "float32", "seed": 1}
    near, far = (compress(MATRIX, "compositional", **settings, epochs=n) for n in (20, 1))
    assert near.codebooks.shape == (4, 4, 9)
    assert near.codebooks.dtype == "float32"
    zeros = np.zeros_like(MATRIX)
    reached = [distance(MATRIX, table).mean for table in (near, far, zeros)]
    assert reached == sorted(reached)
    assert capsys.readouterr().out == ""


@functools.cache
def trained_in_steps(dtype, exponent) -> CompositionalCodes:
    """The codes of a few epochs, of a table times 2**exponent."""
    settings = {"trainer": "gumbel", "M": 4, "K": 4, "dtype": "float32", "epochs": 2}
    matrix = MATRIX.astype("float16").astype(dtype)
    with eagerly():
        return compress(np.ldexp(matrix, exponent), "compositional", **settings)


@pytest.mark.parametrize(
    ("dtype", "exponent"), [("float32", -100), ("float32", 100), ("float64", 30), ("float16", 8)]
)
def test_the_gumbel_trainer_takes_tables_of_any_scale(dtype, exponent):
    plain, scaled = trained_in_steps(dtype, 0), trained_in_steps(dtype, exponent)
    np.testing.assert_array_equal(scaled.indexes(), plain.indexes())
    np.testing.assert_array_equal(scaled.codebooks, np.ldexp(plain.codebooks, exponent))


@in_steps
def test_the_gumbel_trainer_in_half_precision():
    settings = {"trainer": "gumbel", "M": 4, "K": 4, "epochs": 2, "dtype": "float16"}
    found = compress(MATRIX.astype("float16"), "compositional", **settings)
    assert found.codebooks.dtype == "float16"
    expected = trained_in_steps("float32", 0)
    np.testing.assert_array_equal(found.indexes(), expected.indexes())
    np.testing.assert_array_equal(found.codebooks, expected.codebooks.astype("float16"))


@in_steps
def test_codebooks_that_float16_cannot_hold():
    with pytest.raises(ValueError, match="`dtype`=.float16. can hold codebooks up to"):
        compress(1e7 * MATRIX, "compositional", M=2, K=2, trainer="gumbel", epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`bits` must be given with method 'uniform'. Received: None"),
        ({"method": "binary", "bits": 1, "K": 2}, "`K` must be None with method 'binary'. .* K=2"),
        ({"method": "compositional", "M": 2}, "`K` must be given with method 'compositional'"),
        ({"method": "compositional", "M": 2, "K": 2, "bits": 1}, "`bits` must be None with method"),
        ({"method": "huffman"}, "`method` must be one of .*='huffman'"),
        ({"bits": 1, "trainer": "none"}, "`trainer` must be one of .*='none'"),
        ({"bits": 1, "dtype": "int8"}, "`dtype` must be one of .*='int8'"),
        ({"method": "compositional", "trainer": "gumbel", "M": 2, "K": 2, "epochs": 0},
         "`epochs` must be a positive integer. Received: epochs=0"),
        ({"bits": 9}, "`bits` must be an integer from 1 to 8. Received: bits=9"),
        ({"bits": 1, "seed": -1}, "`seed` must be an integer from 0 upwards. Received: seed=-1"),
        ({"bits": 1, "epochs": None}, "`epochs` must be a positive integer. Received: epochs=None"),
        ({"method": "compositional", "M": 0, "K": 2}, "`M` must be an integer from 1 to 8192"),
    ],
)  # fmt: skip
def test_settings_that_break_their_rules(settings, message):
    with pytest.raises(ValueError, match=message):
        compress(MATRIX, **settings)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("K", [2, 3, 16])
@pytest.mark.parametrize("nbytes", [0, 1, 400, 4_000, 100_000])
def test_the_most_codebooks_are_the_most(K, dtype, nbytes):
    def size(M: int) -> int:
        codebooks = np.zeros((M, K, 9), dtype)
        return CompositionalCodes.of(np.zeros((80, M), np.int64), codebooks).nbytes

    M = most_codebooks(nbytes, (80, 9), K, dtype)
    assert M == 0 or size(M) <= nbytes
    assert size(M + 1) > nbytes


def test_the_most_codebooks_are_no_more_than_there_can_be():
    assert most_codebooks(10**9, (400_000, 50), 1024) == 8
