"""`quantize_uniform` against a slow search of the limit, and published figures."""

import numpy as np
import pytest

from bcq_tf.codes import UniformCodes
from bcq_tf.codes.packing import unpack_fields
from bcq_tf.solvers.uniform.clipping import clipping_error, histogram
from bcq_tf.solvers.uniform.quantization import quantize_uniform

BITS = range(1, 9)


def levels(limit: float, bits: int) -> np.ndarray:
    return limit * np.arange(1 - 2**bits, 2**bits, 2) / (2**bits - 1)


def nearest_error(matrix, limit: float, bits: int) -> float:
    """The squared error of each value's nearest level, by comparing it with all of them."""
    gaps = np.abs(matrix.astype(np.float64).reshape(-1, 1) - levels(limit, bits))
    return np.sum(gaps.min(axis=1) ** 2)


def stochastic_error(matrix, limit: float, bits: int) -> float:
    """The expected squared error, from the probabilities of the two levels next to each value."""
    values, own = matrix.astype(np.float64).ravel(), levels(limit, bits)
    inside = np.clip(values, -limit, limit)
    above = np.clip(np.searchsorted(own, inside), 1, len(own) - 1)
    low, high = own[above - 1], own[above]
    p = (inside - low) / (high - low)
    return np.sum(p * (high - values) ** 2 + (1 - p) * (low - values) ** 2)


def least_error(matrix, bits: int, error) -> float:
    limits = np.abs(matrix).max() * np.linspace(1e-3, 1, 700)
    return min(error(matrix, limit, bits) for limit in limits)


def fields(codes: UniformCodes) -> np.ndarray:
    return unpack_fields(codes.packed, codes.bits, codes.columns)


def draw(name: str, shape, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = {
        "gaussian": rng.normal,
        "laplace": rng.laplace,
        "uniform": lambda size: rng.uniform(-1, 1, size),
        "outliers": lambda size: rng.standard_t(2, size),
    }[name](size=shape)
    return drawn.astype(np.float32)


# The clipping limit


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["gaussian", "laplace", "uniform", "outliers"])
def test_the_limit_is_as_good_as_the_best_of_a_slow_search(name, bits):
    matrix = draw(name, (60, 25), seed=bits)
    error = np.sum((quantize_uniform(matrix, bits).reconstruct() - matrix) ** 2.0)
    assert error <= 1.001 * least_error(matrix, bits, nearest_error)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", ["gaussian", "outliers"])
def test_of_stochastic_rounding_the_expected_error_is_least(name, bits):
    matrix = draw(name, (60, 25), seed=bits)
    limit = quantize_uniform(matrix, bits, "stochastic", seed=0).limit
    error = stochastic_error(matrix, limit, bits)
    assert error <= 1.001 * least_error(matrix, bits, stochastic_error)


@pytest.mark.parametrize(
    ("bits", "expected"), [(1, 0.3634), (2, 0.1188), (3, 0.03744), (4, 0.01154)]
)
def test_errors_on_gaussian_tables_are_those_of_max(bits, expected):
    # Max 1960, "Quantizing for minimum distortion", table 2.
    matrix = draw("gaussian", (1000, 200), seed=bits)
    error = np.sum((quantize_uniform(matrix, bits).reconstruct() - matrix) ** 2.0)
    assert error / np.sum(matrix**2.0) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("bits", BITS)
def test_the_error_from_the_histogram_is_that_of_the_values(bits, stochastic):
    matrix = draw("outliers", (50, 20), seed=bits)
    error = clipping_error(*histogram(matrix, np.zeros(50, bool)), bits, stochastic)
    slow = stochastic_error if stochastic else nearest_error
    for limit in (0.01, 0.3, 1, 5, 100):
        assert error(limit) == pytest.approx(slow(matrix, limit, bits), rel=2e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8, 1e35])
def test_the_scale_of_the_table_does_not_matter(scale):
    matrix = draw("gaussian", (100, 20), seed=0)
    plain, scaled = (quantize_uniform(matrix * np.float64(by), 2) for by in (1, scale))
    assert scaled.limit == pytest.approx(plain.limit * scale, rel=2e-3)
    np.testing.assert_allclose(scaled.reconstruct(), plain.reconstruct() * scale, rtol=2e-3)


def test_values_next_to_what_float32_resolves_stay_finite():
    matrix = (draw("gaussian", (100, 20), seed=0) * np.float64(1e-43)).astype(np.float32)
    assert np.isfinite(quantize_uniform(matrix, 2).reconstruct()).all()


# Rounding


@pytest.mark.parametrize("columns", [1, 7, 50])
@pytest.mark.parametrize("bits", BITS)
def test_each_value_takes_its_nearest_level(bits, columns):
    matrix = draw("gaussian", (300, columns), seed=bits)
    codes = quantize_uniform(matrix, bits)
    assert codes.shape == matrix.shape
    assert codes.bits == bits
    assert codes.zero_rows is None
    chosen = np.abs(codes.reconstruct().astype(np.float64) - matrix)
    best = np.abs(matrix[..., None].astype(np.float64) - levels(codes.limit, bits)).min(axis=-1)
    np.testing.assert_allclose(chosen, best, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_stochastic_rounding_is_unbiased_between_the_two_neighbours(bits):
    matrix = draw("gaussian", (400, 2), seed=bits)
    draws = [quantize_uniform(matrix, bits, "stochastic", seed) for seed in range(60)]
    limit, step = draws[0].limit, 2 * draws[0].limit / (2**bits - 1)
    clipped = np.clip(matrix, -limit, limit)
    values = np.stack([codes.reconstruct() for codes in draws])
    assert np.abs(values - clipped).max() < step * (1 + 1e-5)
    # Of a mean of 60 numbers that vary by half a step at most; 800 of them.
    assert np.abs(values.mean(axis=0) - clipped).max() < 4.5 * step / 2 / np.sqrt(60)
    assert abs(np.mean(values - clipped)) < 4.5 * step / 2 / np.sqrt(values.size)


def test_stochastic_rounding_depends_on_the_seed_alone():
    matrix = draw("gaussian", (5000, 60), seed=0)
    one, same, other = (quantize_uniform(matrix, 2, "stochastic", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.packed, same.packed)
    assert np.any(one.packed != other.packed)
    some = quantize_uniform(matrix, 2, "stochastic"), quantize_uniform(matrix, 2, "stochastic")
    assert np.any(some[0].packed != some[1].packed)


# Rows of zeros


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_rows_of_zeros_stay_zero_and_change_nothing_else(rounding):
    matrix = draw("gaussian", (30, 9), seed=0)
    plain = quantize_uniform(matrix, 3)
    padded = np.zeros((35, 9), np.float32)
    kept = np.setdiff1d(np.arange(35), [0, 7, 8, 15, 34])
    padded[kept] = matrix
    codes = quantize_uniform(padded, 3, rounding, seed=1)
    assert not codes.reconstruct()[[0, 7, 8, 15, 34]].any()
    assert codes.reconstruct()[kept].all()
    np.testing.assert_array_equal(
        np.unpackbits(codes.zero_rows, bitorder="little", count=35), ~padded.any(axis=1)
    )
    if rounding == "nearest":
        assert codes.limit == plain.limit
        np.testing.assert_array_equal(codes.packed[kept], plain.packed)


@pytest.mark.parametrize("bits", [1, 5])
def test_a_table_of_zeros_is_kept(bits):
    codes = quantize_uniform(np.zeros((3, 4)), bits)
    assert codes.limit == 0
    assert not codes.reconstruct().any()


# Tables that are quantized already


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("bits", BITS)
def test_quantized_tables_are_kept_bit_for_bit(bits, rounding):
    matrix = draw("gaussian", (200, 30), seed=bits)
    matrix[3] = 0
    codes = quantize_uniform(matrix, bits)
    again = quantize_uniform(codes.reconstruct(), bits, rounding, seed=0)
    np.testing.assert_array_equal(again.reconstruct(), codes.reconstruct())
    np.testing.assert_array_equal(again.packed, codes.packed)
    assert again.limit == codes.limit


@pytest.mark.parametrize("bits", [2, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_not_all_levels_need_occur(bits, seed):
    rng = np.random.default_rng(seed)
    limit = float(np.float32(rng.uniform(0.01, 10)))
    k = rng.integers(2 ** (bits - 2), 3 * 2 ** (bits - 2), (40, 6))  # the inner half
    k[0, :2] = 2 ** (bits - 1), 3 * 2 ** (bits - 2) - 1
    matrix = UniformCodes(np.zeros((1, 1), np.uint8), limit, bits, 1).levels[k]
    np.testing.assert_array_equal(quantize_uniform(matrix, bits).reconstruct(), matrix)


@pytest.mark.parametrize(("fewer", "bits"), [(1, 2), (1, 8), (2, 3), (2, 4), (4, 8)])
def test_a_table_of_fewer_bits_is_kept(fewer, bits):
    codes = quantize_uniform(draw("laplace", (100, 8), seed=fewer), fewer)
    kept = quantize_uniform(codes.reconstruct(), bits)
    np.testing.assert_allclose(kept.reconstruct(), codes.reconstruct(), rtol=3e-7)


def test_levels_that_were_rounded_otherwise_are_recognised():
    # As k steps from -limit, in float32.
    k = np.random.default_rng(0).integers(0, 16, (500, 5))
    k[0, :2] = 0, 15
    matrix = k.astype(np.float32) * np.float32(0.2 / 15) - np.float32(0.1)
    codes = quantize_uniform(matrix, 4)
    np.testing.assert_array_equal(fields(codes), k)
    np.testing.assert_allclose(codes.reconstruct(), matrix, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "matrix",
    [
        [[-1.0, 0.0, 1.0]],  # no level is zero
        [[-1.0, 0.5, 1.0]],  # not equally spaced
        [[0.2, 0.6, 1.0]],  # that would take three bits
    ],
)
def test_other_tables_of_few_values_are_not(matrix):
    codes = quantize_uniform(matrix, 2)
    assert np.abs(codes.reconstruct() - matrix).max() > 1e-3


# Arguments


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32"])
def test_dtypes(dtype):
    matrix = (8 * draw("gaussian", (60, 5), seed=0)).astype(dtype)
    single = quantize_uniform(matrix.astype(np.float32), 3)
    codes = quantize_uniform(matrix, 3)
    assert codes.limit == single.limit
    np.testing.assert_array_equal(codes.packed, single.packed)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((0, 4)), "`matrix` must not be empty. Received: shape=\\[0, 4\\]"),
        (np.zeros((4, 0)), "`matrix` must not be empty"),
        (np.zeros(4), "`matrix` must have rank 2. Received: shape=\\[4\\]"),
        ([[1.0, np.nan]], "`matrix` must be finite. Received: 1 NaN or Inf of 2 values"),
        ([[1.0, -np.inf]], "`matrix` must be finite"),
        ([[1.0, 3.0, 1e39]], "`matrix` must have magnitudes that float32 holds. .* 1e\\+39"),
    ],
)
def test_bad_matrices(matrix, message):
    with pytest.raises(ValueError, match=message):
        quantize_uniform(matrix, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 0}, "`bits` must be an integer from 1 to 8. Received: bits=0"),
        ({"bits": 16}, "`bits` must be"),
        ({"bits": 2, "rounding": "up"}, "`rounding` must be one of .*'up'"),
        ({"bits": 2, "seed": -1}, "`seed` must be an integer from 0 upwards. Received: seed=-1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        quantize_uniform(np.eye(3), **arguments)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
def test_bits_may_be_of_any_integer_type(kind):
    matrix = draw("gaussian", (60, 5), seed=0)
    codes = quantize_uniform(matrix, kind(8))
    np.testing.assert_array_equal(codes.packed, quantize_uniform(matrix, 8).packed)
    assert type(codes.bits) is int


@pytest.mark.parametrize("bits", [1, 4])
def test_values_below_float32_are_zero(bits):
    codes = quantize_uniform(1e-50 * draw("gaussian", (60, 5), seed=0).astype(np.float64), bits)
    assert not codes.reconstruct().any()


@pytest.mark.parametrize("bits", [1, 2])
def test_the_limit_is_no_larger_than_the_largest_value(bits):
    matrix = (1e-44 * draw("gaussian", (60, 5), seed=0)).astype(np.float32)
    codes = quantize_uniform(matrix, bits)
    assert 0 < codes.limit <= np.abs(matrix).max()
