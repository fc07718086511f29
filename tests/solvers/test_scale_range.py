"""Scales of every magnitude: float16 where it holds them, float32 where it does not."""

import numpy as np
import pytest

from bcq_tf import quantize
from bcq_tf.solvers import relative_error
from tests.solvers.reference import draw

pytestmark = pytest.mark.usefixtures("code")

MATRIX = draw("gaussian", 4, 64, seed=0)
every_solver = pytest.mark.parametrize("solver", ["alternating", "greedy", "uniform"])
BEYOND = [1e5, 1e8, 1e30, 1e-6, 1e-8, 1e-30]  # float16, above and below
SETTINGS = [  # bits, group_size, offset
    (1, None, False), (2, None, False), (3, None, False), (2, 32, True), (3, None, True),
    (5, 32, False),
]  # fmt: skip


def dtypes(codes) -> set[str]:
    parts = [*codes.scales, *(() if codes.offset is None else (codes.offset,))]
    return {part.dtype.name for part in parts}


@every_solver
@pytest.mark.parametrize(("bits", "group_size", "offset"), SETTINGS)
def test_codes_are_as_near_as_at_another_magnitude(bits, group_size, offset, solver):
    settings = {"bits": bits, "group_size": group_size, "offset": offset, "solver": solver}
    for effort in ("low", "full"):
        normal = quantize(MATRIX, effort=effort, **settings)
        expected = relative_error(MATRIX, normal)
        assert dtypes(normal) == {"float16"}
        for magnitude in BEYOND:
            codes = quantize(MATRIX * magnitude, effort=effort, **settings)
            assert dtypes(codes) == {"float32"}
            assert relative_error(MATRIX * magnitude, codes) < 1.1 * expected, (effort, magnitude)


@every_solver
@pytest.mark.parametrize("effort", ["warm", "low", "full"])
@pytest.mark.parametrize(("bits", "group_size", "offset"), SETTINGS)
def test_earlier_codes_hide_nothing(bits, group_size, offset, effort, solver):
    settings = {"bits": bits, "group_size": group_size, "offset": offset, "solver": solver}
    normal = quantize(MATRIX, **settings)
    limit = 1.3 * relative_error(MATRIX, normal)
    for magnitude in (1e5, 1e-6, 1e-30):
        matrix = MATRIX * magnitude
        there = quantize(matrix, start=normal, effort=effort, **settings)
        back = quantize(MATRIX, start=there, effort=effort, **settings)
        assert (dtypes(there), dtypes(back)) == ({"float32"}, {"float16"})
        assert relative_error(matrix, there) < limit, magnitude
        assert relative_error(MATRIX, back) < limit, magnitude


@pytest.mark.parametrize("factor", [1e-3, 30.0, 1000.0])
@pytest.mark.parametrize(("bits", "offset"), [(2, True), (3, False), (3, True), (5, False)])
def test_a_warm_solve_leaves_a_start_that_is_far(bits, offset, factor):
    # A few rounds from there end where most planes are of no use.
    matrix = MATRIX * factor
    start = quantize(MATRIX, bits, offset=offset)
    found = relative_error(
        matrix, quantize(matrix, bits, offset=offset, start=start, effort="warm")
    )
    cold = relative_error(matrix, quantize(matrix, bits, offset=offset, effort="low"))
    assert found < 1.1 * cold
    zeros = quantize(np.zeros_like(MATRIX), bits, offset=offset)
    again = quantize(matrix, bits, offset=offset, start=zeros, effort="warm")
    assert relative_error(matrix, again) < 1.1 * cold


@every_solver
@pytest.mark.parametrize("value", [9e-7, 5e-8, 1e-20, 1e-44, 7e4, 1e6, 3e38])
def test_constants_of_any_magnitude_come_back(value, solver):
    matrix = np.full((1, 32), value, np.float32)
    found = quantize(matrix, 1, solver=solver).reconstruct()
    np.testing.assert_allclose(found, matrix, rtol=2e-3)


def test_zeros_and_numbers_below_float32_are_zeros():
    for matrix in (np.zeros((2, 32)), np.full((2, 32), 1e-300)):
        assert not quantize(matrix, 2).reconstruct().any()


@every_solver
def test_one_huge_row_makes_all_scales_float32(solver):
    matrix = MATRIX * np.array([[1e6], [1], [1e-4], [0]])
    codes = quantize(matrix, 3, solver=solver)
    assert dtypes(codes) == {"float32"}
    for row in range(3):
        one = quantize(matrix[row : row + 1], 3, solver=solver, scale_dtype="float32")
        np.testing.assert_array_equal(codes.reconstruct()[row], one.reconstruct()[0])


def test_an_outlier_that_the_scales_do_not_follow_stays_in_float16():
    matrix = np.ones((1, 4096))
    matrix[0, 0] = 1e5  # the one scale is the mean, 25
    assert dtypes(quantize(matrix, 1)) == {"float16"}
    assert dtypes(quantize(matrix, 1, start=quantize(np.ones_like(matrix), 1))) == {"float16"}


def test_importance_counts_at_any_magnitude():
    h = np.random.default_rng(1).lognormal(0, 2, MATRIX.shape)
    expected = relative_error(MATRIX, quantize(MATRIX, 2, importance=h), h)
    for magnitude in BEYOND:
        codes = quantize(MATRIX * magnitude, 2, importance=h)
        assert relative_error(MATRIX * magnitude, codes, h) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("magnitude", [1, 1e3, 1e-3])
def test_what_float16_holds_is_as_with_float16(magnitude):
    for bits in (1, 2, 3):
        found = quantize(MATRIX * magnitude, bits)
        expected = quantize(MATRIX * magnitude, bits, scale_dtype="float16")
        for part, array in expected.arrays().items():
            np.testing.assert_array_equal(found.arrays()[part], array)


@pytest.mark.parametrize("start", [None, MATRIX])
@pytest.mark.parametrize(
    ("magnitude", "scale_dtype"),
    [(1e5, "float16"), (1e-8, "float16"), (1e300, "float32"), (1e300, "auto"), (1e39, "auto")],
)
def test_a_dtype_that_cannot_hold_the_scales_is_an_error(magnitude, scale_dtype, start):
    for effort in ("low", "full") if start is None else ("warm", "low", "full"):
        with pytest.raises(ValueError, match=r"^`scale_dtype`='float\d\d' can .* only. Received: "):
            quantize(
                MATRIX * magnitude,
                2,
                start=None if start is None else quantize(start, 2),
                effort=effort,
                scale_dtype=scale_dtype,
            )


def test_sums_of_scales_stay_in_float32():
    largest = float(np.finfo(np.float32).max)
    with pytest.raises(ValueError, match=r"can hold scales up to 3\.4"):
        quantize(np.array([[1.0, 0.5] * 16]) * largest, 2)
