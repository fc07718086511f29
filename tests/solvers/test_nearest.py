"""`nearest` and `relative_error`."""

import dataclasses

import numpy as np
import pytest

from bcq_tf.codes import BinaryCodes, packing
from bcq_tf.solvers import nearest, quantize, relative_error
from tests.solvers.reference import draw, squared_error

pytestmark = pytest.mark.usefixtures("code")


def scramble(codes: BinaryCodes, seed: int) -> BinaryCodes:
    """The same scales with signs drawn by lot."""
    rng = np.random.default_rng(seed)
    planes = [packing.pack(rng.random((len(p), codes.columns)) < 0.5) for p in codes.planes]
    return dataclasses.replace(codes, planes=planes)


@pytest.mark.parametrize("group_size", [None, 32, 64])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", range(1, 9))
def test_nearest_finds_the_signs_from_the_scales(bits, offset, group_size):
    matrix = draw("gaussian", 20, 100, seed=bits)
    codes = quantize(matrix, bits, group_size, offset, effort="low")
    found = nearest(matrix, scramble(codes, bits))
    np.testing.assert_array_equal(found.reconstruct(), codes.reconstruct())
    for a, b in zip(found.scales, codes.scales, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_nearest_takes_the_nearest_level_of_every_weight():
    matrix = draw("laplace", 5, 40, seed=1)
    scales = [np.full((5, 1), s, np.float32) for s in (0.5, -0.3, 1.1)]  # any order, any sign
    planes = [packing.pack(np.ones((5, 40), bool))] * 3
    found = nearest(matrix, BinaryCodes(planes, scales, 40)).reconstruct()
    levels = np.array([a + b + c for a in (-0.5, 0.5) for b in (-0.3, 0.3) for c in (-1.1, 1.1)])
    expected = levels[np.abs(matrix[..., None] - levels).argmin(axis=2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nearest_of_ragged_codes():
    matrix = draw("gaussian", 9, 50, seed=2)
    order = np.random.default_rng(2).permutation(9)
    full = quantize(matrix[order], 3)
    ends = (9, 6, 2)
    codes = BinaryCodes(
        [p[:end] for p, end in zip(full.planes, ends, strict=True)],
        [s[:end] for s, end in zip(full.scales, ends, strict=True)],
        50,
        row_order=order,
    )
    found = nearest(matrix, scramble(codes, 2))
    assert [len(plane) for plane in found.planes] == list(ends)
    rows = found.reconstruct()
    for stored, original in enumerate(order):
        bits = sum(stored < end for end in ends)
        alone = nearest(matrix[original][None], _row(full, stored, bits))
        np.testing.assert_array_equal(rows[original], alone.reconstruct()[0])


def _row(codes: BinaryCodes, row: int, bits: int) -> BinaryCodes:
    part = slice(row, row + 1)
    return BinaryCodes(
        [p[part] for p in codes.planes[:bits]], [s[part] for s in codes.scales[:bits]], 50
    )


def test_nearest_follows_weights_that_move():
    matrix = draw("gaussian", 10, 64, seed=3)
    codes = quantize(matrix, 3)
    moved = matrix + 0.3 * draw("gaussian", 10, 64, seed=4)
    assert np.all(squared_error(moved, nearest(moved, codes)) < squared_error(moved, codes))


def test_relative_error_is_its_formula():
    matrix = draw("gaussian", 30, 70, seed=5)
    codes = quantize(matrix, 2)
    h = np.random.default_rng(5).random(matrix.shape)
    difference = matrix - codes.reconstruct()
    expected = np.sum(difference**2) / np.sum(matrix**2)
    assert relative_error(matrix, codes) == pytest.approx(expected)
    expected = np.sum(h * difference**2) / np.sum(h * matrix**2)
    assert relative_error(matrix, codes, h) == pytest.approx(expected)


def test_relative_error_of_zeros():
    zeros = np.zeros((3, 40))
    assert relative_error(zeros, quantize(zeros, 2)) == 0
    assert relative_error(zeros, quantize(np.ones((3, 40)), 2)) == float("inf")
