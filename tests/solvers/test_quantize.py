"""`quantize`: layouts, dtypes, hard rows, and what must not change the result."""

import ml_dtypes
import numpy as np
import pytest

import bcq_tf
from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.scale_dtypes import pack_short
from bcq_tf.solvers import quantize, relative_error, spans
from tests.solvers.reference import draw, nearest_error, squared_error

pytestmark = pytest.mark.usefixtures("code")

SOLVERS = ["alternating", "greedy", "uniform"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def assert_same(a: BinaryCodes, b: BinaryCodes) -> None:
    """Same arrays, bit for bit."""
    assert a.arrays().keys() == b.arrays().keys()
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


def test_the_library_offers_quantize():
    assert bcq_tf.quantize is quantize


@every_solver
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("group_size", [None, 32, 96, 256])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_layout(bits, group_size, offset, solver):
    scale_dtype = ["float16", "float32", "e5m4"][(bits + offset + (group_size == 32)) % 3]
    matrix = draw("gaussian", 6, 150, seed=bits)
    codes = quantize(
        matrix, bits, group_size, offset, solver, effort="low", scale_dtype=scale_dtype
    )
    groups = 1 if group_size is None else -(-150 // group_size)
    assert (codes.shape, codes.bits, codes.group_size) == ((6, 150), bits, group_size)
    assert [scale.shape for scale in codes.scales] == [(6, groups)] * bits
    held = np.dtype("float16" if scale_dtype == "e5m4" else scale_dtype)
    assert {scale.dtype for scale in codes.scales} == {held}
    assert (pack_short(codes.scales) is not None) == (scale_dtype == "e5m4")
    assert (codes.offset is not None) == offset
    scales = np.array(codes.scales)
    assert np.all(scales >= 0)
    assert np.all(np.diff(scales, axis=0) <= 0)
    assert relative_error(matrix, codes) < {1: 0.4, 2: 0.15, 3: 0.07, 4: 0.04}[bits]


@every_solver
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("columns", [96, 100])
def test_groups_are_solved_like_rows_of_their_own(columns, offset, solver):
    matrix = draw("laplace", 4, columns, seed=columns)
    h = np.random.default_rng(0).random(matrix.shape)
    grouped = quantize(matrix, 3, 32, offset, solver, importance=h)
    for group in range(grouped.groups):
        part = slice(32 * group, min(32 * group + 32, columns))
        alone = quantize(matrix[:, part], 3, None, offset, solver, importance=h[:, part])
        np.testing.assert_array_equal(grouped.reconstruct()[:, part], alone.reconstruct())


@every_solver
def test_the_result_is_the_same_whatever_the_chunks_and_cores(solver, monkeypatch):
    matrix = draw("student_t3", 200, 40, seed=1)
    h = np.random.default_rng(1).random(matrix.shape)
    expected = [quantize(matrix, bits, solver=solver, importance=h) for bits in (2, 3)]
    for levels, weights, cores in ((64, 1 << 17, 3), (1 << 12, 1000, 1), (1 << 20, 1 << 30, 1)):
        monkeypatch.setattr(spans, "CHUNK_LEVELS", levels)
        monkeypatch.setattr(spans, "CHUNK_WEIGHTS", weights)
        monkeypatch.setattr(spans, "cores", lambda cores=cores: cores)
        for codes, bits in zip(expected, (2, 3), strict=True):
            assert_same(quantize(matrix, bits, solver=solver, importance=h), codes)


@every_solver
def test_rows_do_not_influence_each_other(solver):
    matrix = draw("gaussian", 40, 50, seed=2)
    whole = quantize(matrix, 3, solver=solver).reconstruct()
    np.testing.assert_array_equal(quantize(matrix[7:8], 3, solver=solver).reconstruct(), whole[7:8])


@every_solver
@pytest.mark.parametrize("power", [-8, 5])
def test_a_power_of_two_changes_scales_alone(power, solver):
    matrix = draw("gaussian", 10, 60, seed=3)
    plain = quantize(matrix, 3, solver=solver, scale_dtype="float32")
    scaled = quantize(matrix * 2.0**power, 3, solver=solver, scale_dtype="float32")
    np.testing.assert_array_equal(scaled.reconstruct(), plain.reconstruct() * 2.0**power)


@pytest.mark.parametrize("solver", ["alternating", "uniform"])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", range(1, 9))
def test_signs_are_nearest_for_the_rounded_scales(bits, offset, solver):
    dtype = ["float32", "float64"][(bits + offset) % 2]
    matrix = draw("laplace", 20, 101, seed=bits).astype(dtype)
    codes = quantize(matrix, bits, 32, offset, solver, effort="low")
    best = nearest_error(matrix, codes)
    np.testing.assert_allclose(squared_error(matrix, codes), best, rtol=1e-6)


@every_solver
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_float16_scales_cost_next_to_nothing(bits, solver):
    matrix = draw("gaussian", 64, 256, seed=bits)
    half = relative_error(matrix, quantize(matrix, bits, solver=solver))
    single = relative_error(matrix, quantize(matrix, bits, solver=solver, scale_dtype="float32"))
    assert half == pytest.approx(single, rel=1e-3 if solver == "greedy" else 2e-4)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_every_float_dtype_is_taken(dtype):
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    matrix = draw("gaussian", 8, 64, seed=0).astype(dtype)
    assert_same(quantize(matrix, 3), quantize(matrix.astype(np.float64), 3))
    assert relative_error(matrix, quantize(matrix, 3)) < 0.05


def test_any_memory_order_and_nested_lists_are_taken():
    matrix = draw("gaussian", 64, 96, seed=0)
    expected = quantize(matrix, 3)
    assert_same(quantize(np.asfortranarray(matrix), 3), expected)
    assert_same(quantize(np.repeat(matrix, 2, axis=1)[:, ::2], 3), expected)
    assert_same(quantize(matrix.tolist(), 3), expected)
    read_only = matrix.copy()
    read_only.flags.writeable = False
    assert_same(quantize(read_only, 3), expected)
    np.testing.assert_array_equal(matrix, draw("gaussian", 64, 96, seed=0))


def hard_rows() -> dict[str, np.ndarray]:
    """Rows on which a solver can go wrong."""
    normal = draw("gaussian", 1, 70, seed=0)[0]
    outlier = normal.copy()
    outlier[9] = -3000
    return {
        "zero": np.zeros(70),
        "minus zero": np.full(70, -0.0),
        "constant": np.full(70, -0.75),
        "two values": np.where(normal > 0, 0.5, -2),
        "one weight": np.eye(1, 70)[0],
        "outlier": outlier,
        "tiny": 1e-30 * normal,
        "subnormal": 1e-310 * normal,
        "positive": np.abs(normal),
        "normal": normal,
    }


@every_solver
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 8])
def test_hard_rows_give_finite_codes(bits, offset, solver):
    rows = hard_rows()
    matrix = np.stack(list(rows.values()))
    codes = quantize(matrix, bits, offset=offset, solver=solver, effort="low")
    made = codes.reconstruct()
    assert np.isfinite(made).all()
    error = dict(zip(rows, np.sum((matrix - made) ** 2, axis=1), strict=True))
    energy = dict(zip(rows, np.sum(matrix**2, axis=1), strict=True))
    assert error["zero"] == error["minus zero"] == 0
    # Half a float16 step of each parameter, and the clipping limit's tolerance.
    assert error["constant"] <= 1e-6 * energy["constant"]
    assert error["tiny"] < 1e-50
    # Each row alone comes out the same, whatever it stands beside.
    for i, name in enumerate(rows):
        if name not in ("tiny", "subnormal"):
            alone = quantize(matrix[i : i + 1], bits, offset=offset, solver=solver, effort="low")
            np.testing.assert_array_equal(alone.reconstruct()[0], made[i], err_msg=name)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_an_outlier_does_not_cost_the_rest(bits):
    matrix = hard_rows()["outlier"][None]
    error = squared_error(matrix, quantize(matrix, bits, scale_dtype="float32"))[0]
    others = np.delete(matrix, 9, axis=1)
    # a_0 + a_1 makes the outlier and a_0 - a_1 is one bit fewer for the others.
    rest = squared_error(others, quantize(others, bits - 1, scale_dtype="float32"))[0]
    assert error <= rest * 1.001


@every_solver
def test_minus_zero_counts_as_zero(solver):
    matrix = draw("gaussian", 4, 64, seed=0)
    matrix[:, ::5] = 0.0
    negative = np.where(matrix == 0, -0.0, matrix)
    assert_same(quantize(negative, 2, solver=solver), quantize(matrix, 2, solver=solver))


@every_solver
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 2), (3, 7), (2, 31), (2, 33)])
def test_small_shapes(shape, offset, solver):
    matrix = draw("gaussian", *shape, seed=shape[1])
    codes = quantize(matrix, 3, offset=offset, solver=solver)
    assert codes.shape == shape
    bound = 1e-5 if shape[1] == 1 and (offset or solver != "uniform") else 0.3
    assert relative_error(matrix, codes) < bound


@pytest.mark.parametrize("bits", [3, 4])
def test_as_many_bits_as_columns_are_exact(bits):
    matrix = draw("gaussian", 20, bits, seed=bits)
    assert relative_error(matrix, quantize(matrix, bits, scale_dtype="float32")) < 1e-10


@every_solver
def test_magnitudes_beyond_float16_need_float32_scales(solver):
    matrix = draw("gaussian", 4, 64, seed=0)
    expected = relative_error(matrix, quantize(matrix, 3, solver=solver, scale_dtype="float32"))
    for magnitude in (1e6, 1e-30):
        codes = quantize(matrix * magnitude, 3, solver=solver, scale_dtype="float32")
        assert relative_error(matrix * magnitude, codes) == pytest.approx(expected, rel=1e-2)


def test_importance_moves_the_error_to_weights_that_count_less():
    matrix = draw("gaussian", 30, 128, seed=0)
    h = np.random.default_rng(1).lognormal(0, 2, matrix.shape)
    plain, weighted = quantize(matrix, 3), quantize(matrix, 3, importance=h)
    assert relative_error(matrix, weighted, h) < 0.8 * relative_error(matrix, plain, h)
    assert relative_error(matrix, weighted) > relative_error(matrix, plain)


@every_solver
def test_importance_of_one_value_or_of_zeros_changes_nothing(solver):
    matrix = draw("gaussian", 20, 64, seed=0)
    expected = quantize(matrix, 3, solver=solver)
    h = np.full(matrix.shape, 7.0)
    h[::2] = 0
    found = quantize(matrix, 3, solver=solver, importance=h)
    error, best = squared_error(matrix, found), squared_error(matrix, expected)
    np.testing.assert_allclose(error, best, rtol=1e-5)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_importances_may_be_zero_in_part(bits, offset):
    # Two thirds of them, as in the second moments of an embedding; and all but one.
    matrix = draw("gaussian", 12, 96, seed=bits)
    h = np.random.default_rng(bits).exponential(size=matrix.shape)
    h[:, ::3] = h[:, 1::3] = 0
    h[0] = np.eye(1, 96)[0]
    used = h / h.mean(axis=1, keepdims=True) + 0.1
    plain = quantize(matrix, bits, offset=offset, effort="low")
    weighted = quantize(matrix, bits, offset=offset, importance=h, effort="low")
    assert np.isfinite(weighted.reconstruct()).all()
    gain = squared_error(matrix, weighted, used) / squared_error(matrix, plain, used)
    assert np.all(gain < 1 + 1e-6)
    assert gain[1:].mean() < 0.97
    assert gain[0] < 0.7


@pytest.mark.parametrize("bits", [2, 3])
def test_weighted_codes_are_optimal_for_their_importances(bits):
    from tests.solvers.reference import best_three_bits, best_two_bits

    best = {2: best_two_bits, 3: best_three_bits}[bits]
    matrix = draw("laplace", 8, 40, seed=bits)
    h = np.random.default_rng(bits).exponential(size=matrix.shape)
    codes = quantize(matrix, bits, importance=h, scale_dtype="float32")
    used = h / h.mean(axis=1, keepdims=True) + 0.1
    expected = [best(row, weights) for row, weights in zip(matrix, used, strict=True)]
    np.testing.assert_allclose(squared_error(matrix, codes, used), expected, rtol=1e-4)


def test_an_offset_serves_skewed_rows():
    matrix = np.random.default_rng(0).exponential(size=(20, 128))
    for bits in (1, 2, 3, 4):
        plain = relative_error(matrix, quantize(matrix, bits, effort="low"))
        with_offset = quantize(matrix, bits, offset=True, effort="low")
        assert relative_error(matrix, with_offset) < 0.9 * plain


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_an_offset_never_costs(bits):
    matrix = draw("gaussian", 40, 64, seed=bits)
    plain = squared_error(matrix, quantize(matrix, bits, scale_dtype="float32"))
    offset = squared_error(matrix, quantize(matrix, bits, offset=True, scale_dtype="float32"))
    assert np.all(offset <= plain * 1.01)
    assert offset.sum() < plain.sum()
