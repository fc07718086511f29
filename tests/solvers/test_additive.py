"""`additive_codes` against exhaustive search, planted codes and its own rounds."""

import itertools
import tracemalloc

import numpy as np
import pytest

from bcq_tf.embeddings import additive_codes
from bcq_tf.solvers import spans
from bcq_tf.solvers.compositional import additive
from bcq_tf.solvers.compositional.additive import errors
from bcq_tf.solvers.compositional.codebooks import (
    fitted_codebooks,
    pair_counts,
    sums_by_index,
)
from bcq_tf.solvers.compositional.index_search import improve_indexes, residuals
from bcq_tf.solvers.compositional.residual_start import residual_codes


def gaussian(rows=400, dimensions=6, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)


def planted(rows, M, K, D, seed=0) -> np.ndarray:
    """Rows that are exact sums, from codebooks each a tenth as large as the one before."""
    rng = np.random.default_rng(seed)
    codebooks = rng.standard_normal((M, K, D)) * 10.0 ** -np.arange(M)[:, None, None]
    indexes = rng.integers(0, K, (rows, M))
    return codebooks[np.arange(M), indexes].sum(axis=1).astype(np.float32)


def squared_error(matrix, codes) -> float:
    return float(np.mean(np.sum((matrix - codes.reconstruct()) ** 2, axis=1)))


def rounds_of(matrix, M, K, **options) -> list:
    seen = []
    additive_codes(matrix, M, K, progress=lambda number, reached: seen.append(reached), **options)
    return seen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("M", "K"), [(1, 8), (1, 30), (2, 3), (2, 4)])
def test_planted_codes_are_found(M, K, seed):
    matrix = planted(600, M, K, 8, seed)
    codes = additive_codes(matrix, M, K, seed)
    assert codes.shape == matrix.shape
    assert codes.codebooks.shape == (M, K, 8)
    np.testing.assert_allclose(codes.reconstruct(), matrix, atol=1e-4)


@pytest.mark.parametrize(("M", "K"), [(1, 16), (2, 16), (8, 4), (5, 7), (4, 16), (3, 1)])
def test_the_error_never_rises_from_round_to_round(M, K):
    matrix = gaussian(seed=M)
    start = errors(matrix, *residual_codes(matrix, M, K, np.random.default_rng(0)))[0]
    reached = [start, *(one.squared_error for one in rounds_of(matrix, M, K, rounds=12))]
    for before, after in itertools.pairwise(reached):
        assert after <= before * (1 + 1e-6)


@pytest.mark.parametrize(("M", "K"), [(1, 16), (4, 8), (6, 5)])
def test_what_is_reported_is_the_error_of_the_codes(M, K):
    matrix = 1000 * gaussian()
    seen = []
    codes = additive_codes(matrix, M, K, progress=lambda *reached: seen.append(reached), rounds=3)
    assert [number for number, _ in seen] == [1, 2, 3]
    last = seen[-1][1]
    distances = np.linalg.norm(matrix - codes.reconstruct(), axis=1)
    assert last.distance == pytest.approx(distances.mean(), rel=1e-5)
    assert last.squared_error == pytest.approx(np.mean(distances**2), rel=1e-5)


def test_it_is_far_better_than_residual_quantization():
    matrix = gaussian(1000, 12)
    start = errors(matrix, *residual_codes(matrix, 8, 8, np.random.default_rng(0)))[0]
    assert squared_error(matrix, additive_codes(matrix, 8, 8)) < 0.85 * start


def test_more_rounds_lower_the_error():
    few, many = (rounds_of(gaussian(), 6, 8, rounds=rounds)[-1] for rounds in (1, 30))
    assert many.squared_error < 0.97 * few.squared_error


@pytest.mark.parametrize("M", [1, 3])
def test_indexes_are_the_best_or_near_it_for_the_codebooks(M):
    rng = np.random.default_rng(M)
    matrix, codebooks = gaussian(300, 5), rng.standard_normal((M, 6, 5)).astype(np.float32)
    indexes = rng.integers(0, 6, (300, M))
    for number in range(15):
        improve_indexes(matrix, indexes, codebooks, (0, number))
    found = np.sum(residuals(matrix, indexes, codebooks) ** 2, axis=1)
    every = np.array([sum(vectors) for vectors in itertools.product(*codebooks)])
    best = np.min(np.sum((matrix[:, None] - every) ** 2, axis=2), axis=1)
    assert np.all(found >= best * (1 - 1e-5))
    assert np.mean(found > best * (1 + 1e-4)) < 0.02


def test_codebooks_are_the_least_squares_solution():
    rng = np.random.default_rng(1)
    matrix, indexes = gaussian(200, 4), rng.integers(0, 5, (200, 3))
    one_hot = np.concatenate([np.eye(5)[indexes[:, m]] for m in range(3)], axis=1)
    np.testing.assert_array_equal(pair_counts(indexes, 5), one_hot.T @ one_hot)
    np.testing.assert_allclose(sums_by_index(matrix, indexes, 5), one_hot.T @ matrix, atol=1e-4)
    expected = one_hot @ np.linalg.lstsq(one_hot, matrix, rcond=None)[0]
    fitted = matrix - residuals(matrix, indexes, fitted_codebooks(matrix, indexes, 5))
    np.testing.assert_allclose(fitted, expected, atol=1e-4)


def test_shrinkage_is_counted_in_rows_of_a_vector():
    matrix, indexes = gaussian(40), np.random.default_rng(2).integers(0, 5, (40, 1))
    sizes = np.bincount(indexes[:, 0], minlength=5)[:, None]
    sums = sums_by_index(matrix, indexes, 5)
    shrunk = fitted_codebooks(matrix, indexes, 5, shrinkage=0.5)
    np.testing.assert_allclose(shrunk[0], sums / (sizes + 0.5 * 40 / 5), rtol=1e-5, atol=1e-6)


def test_shrinking_the_codebooks_at_first_lowers_the_error_where_rows_are_few(monkeypatch):
    tables = [gaussian(150, 30, seed) * np.linspace(1, 0.1, 30, dtype="f4") for seed in range(2)]
    shrunk = sum(squared_error(table, additive_codes(table, 8, 8)) for table in tables)
    monkeypatch.setattr(additive, "FIRST_SHRINKAGE", 0.0)
    plain = sum(squared_error(table, additive_codes(table, 8, 8)) for table in tables)
    assert shrunk < 0.985 * plain


def test_a_vector_that_no_row_uses_is_zero():
    indexes = np.zeros((20, 2), np.intp)
    codebooks = fitted_codebooks(gaussian(20), indexes, 3)
    assert not codebooks[:, 1:].any()
    assert np.isfinite(codebooks).all()


def test_the_same_seed_gives_the_same_codes_on_any_number_of_threads(monkeypatch):
    matrix = gaussian(1200, 60)  # three chunks of rows
    made = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(spans, "cores", lambda cores=cores: cores)
        made.append(additive_codes(matrix, 4, 8, seed=3, rounds=2))
    for other in made[1:]:
        np.testing.assert_array_equal(other.packed, made[0].packed)
        np.testing.assert_array_equal(other.codebooks, made[0].codebooks)
    assert np.any(additive_codes(matrix, 4, 8, seed=4, rounds=2).packed != made[0].packed)


@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1, 1e30])
def test_the_size_of_the_values_does_not_matter(scale):
    matrix = gaussian()
    power = np.float32(2.0 ** np.round(np.log2(scale)))
    expected, codes = additive_codes(matrix, 3, 8), additive_codes(power * matrix, 3, 8)
    np.testing.assert_array_equal(codes.packed, expected.packed)
    np.testing.assert_allclose(codes.codebooks / power, expected.codebooks, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("value", [0, -3.25])
def test_a_constant_matrix_is_exact(value):
    codes = additive_codes(np.full((50, 4), value), 3, 4)
    np.testing.assert_allclose(codes.reconstruct(), value, rtol=1e-5)


@pytest.mark.parametrize(("M", "K"), [(1, 4), (2, 8), (3, 5)])
def test_few_different_rows_many_times_are_exact(M, K):
    different = gaussian(4, 6)
    matrix = different[np.random.default_rng(0).integers(0, 4, 200)]
    codes = additive_codes(matrix, M, K)
    np.testing.assert_allclose(codes.reconstruct(), matrix, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_other_dtypes_of_the_matrix(dtype):
    matrix = np.round(4 * gaussian()).astype(dtype)
    expected = additive_codes(matrix.astype(np.float32), 3, 4, rounds=2)
    np.testing.assert_array_equal(additive_codes(matrix, 3, 4, rounds=2).packed, expected.packed)


def test_codebooks_in_half_precision():
    matrix = gaussian()
    half = additive_codes(matrix, 4, 8, dtype="float16")
    single = additive_codes(matrix, 4, 8)
    assert half.codebooks.dtype == np.float16
    np.testing.assert_array_equal(half.packed, single.packed)
    np.testing.assert_allclose(half.reconstruct(), single.reconstruct(), atol=1e-2)


@pytest.mark.parametrize(("scale", "problem"), [(1e7, "hold"), (1e-9, "resolve")])
def test_codebooks_that_half_precision_cannot_hold(scale, problem):
    with pytest.raises(ValueError, match=f"`dtype`='float16' can {problem} codebooks .* Received"):
        additive_codes(scale * gaussian(), 4, 8, dtype="float16", rounds=1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"M": 0}, "`M` must be an integer from 1 to 8192. Received: M=0"),
        ({"M": 2.0}, "`M` must be an integer"),
        ({"K": 0}, "`K` must be an integer from 1 to 65536. Received: K=0"),
        ({"K": True}, "`K` must be an integer"),
        ({"M": 8, "K": 2048}, "`M` times `K` must be at most 8192. Received: M=8, K=2048"),
        ({"M": 101, "K": 4}, "must be at most the 400 rows of `matrix`.* Received: M=101, K=4"),
        ({"M": 1, "K": 401}, "must be at most the 400 rows of `matrix`"),
        ({"seed": -1}, "`seed` must be an integer from 0 upwards. Received: seed=-1"),
        ({"rounds": 0}, "`rounds` must be a positive integer. Received: rounds=0"),
        ({"dtype": "int8"}, "`dtype` must be one of .* Received: dtype='int8'"),
        ({"matrix": np.ones(3)}, "`matrix` must have rank 2"),
        ({"matrix": np.ones((0, 3))}, "`matrix` must not be empty"),
        ({"matrix": np.full((9, 3), np.nan)}, "`matrix` must be finite"),
    ],
)
def test_bad_arguments(arguments, error):
    with pytest.raises(ValueError, match=error):
        additive_codes(**({"matrix": gaussian(), "M": 2, "K": 4} | arguments))


@pytest.mark.parametrize(("M", "K"), [(1, 256), (2, 128)])
def test_memory_does_not_grow_with_the_codebooks_squared(M, K):
    matrix = gaussian(500, 200)
    tracemalloc.start()
    additive_codes(matrix, M, K, rounds=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    vectors = M * K
    needed = 4 * matrix.nbytes + 3 * 8 * vectors**2 + 3 * 4 * vectors * max(len(matrix), K)
    assert peak < 2 * needed


@pytest.mark.parametrize("offset", [1e3, 1e4])
def test_what_all_rows_have_in_common_costs_nothing(offset):
    matrix = gaussian()
    distances = [
        rounds_of(table, 4, 8, rounds=5)[-1].distance
        for table in (matrix, (matrix + offset).astype(np.float64))
    ]
    assert distances[1] == pytest.approx(distances[0], rel=0.03)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("exponent", [-120, -13, 0, 13, 120])
def test_scales_change_nothing(dtype, exponent):
    if dtype == "float16" and abs(exponent) > 13:
        pytest.skip("float16 ends before")
    matrix = gaussian().astype("float16").astype(dtype)
    scaled = np.ldexp(matrix, exponent)
    if dtype == "float16":
        matrix = np.ldexp(scaled, -exponent)  # what is left of subnormal numbers
    plain, found = (additive_codes(table, 3, 8, rounds=3) for table in (matrix, scaled))
    np.testing.assert_array_equal(found.packed, plain.packed)
    np.testing.assert_array_equal(found.codebooks, np.ldexp(plain.codebooks, exponent))


def test_small_integers_of_numpy():
    found = additive_codes(gaussian(), np.int8(20), np.int8(10), rounds=1)
    assert found.codebooks.shape[:2] == (20, 10)
