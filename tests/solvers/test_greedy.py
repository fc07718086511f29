"""The greedy solver against its formula."""

import numpy as np
import pytest

from bcq_tf.solvers import quantize
from tests.solvers.reference import DISTRIBUTIONS, draw, squared_error


def greedy(row: np.ndarray, bits: int, h: np.ndarray, offset: bool):
    """(approximation, scales) of one row: a = mean |residual|, b = its sign, again and again."""
    approximation = np.zeros(len(row))
    if offset:
        approximation += np.float16(np.average(row, weights=h))
    scales = []
    for _ in range(bits):
        residual = row - approximation
        scales.append(float(np.float16(np.average(np.abs(residual), weights=h))))
        approximation = approximation + np.where(residual < 0, -scales[-1], scales[-1])
    return approximation, scales


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_greedy_is_its_formula(name, bits, offset, weighted):
    matrix = draw(name, 6, 40, seed=bits)
    h = np.random.default_rng(bits).uniform(0, 2, matrix.shape) if weighted else None
    codes = quantize(matrix, bits, offset=offset, solver="greedy", importance=h)
    for i, row in enumerate(matrix):
        floor = np.ones(40) if h is None else h[i] / h[i].mean() + 0.1
        approximation, scales = greedy(row, bits, floor, offset)
        np.testing.assert_allclose(codes.reconstruct()[i], approximation, atol=2e-6)
        stored = [float(scale[i, 0]) for scale in codes.scales]
        np.testing.assert_allclose(stored, sorted(scales, reverse=True))


@pytest.mark.parametrize(
    ("columns", "bits", "expected"), [(128, 3, 0.0574), (1024, 3, 0.0585), (1024, 4, 0.0328)]
)
def test_greedy_errors_on_gaussian_rows(columns, bits, expected):
    matrix = draw("gaussian", 2**17 // columns, columns, seed=2)
    error = squared_error(matrix, quantize(matrix, bits, solver="greedy")).sum()
    assert error / np.sum(matrix**2) == pytest.approx(expected, rel=0.03)


def test_scales_descend_where_greedy_ones_grow():
    row = np.zeros((1, 64))
    row[0, 3] = 10  # mean |w| is 0.16, mean |residual| 0.31
    codes = quantize(row, 3, solver="greedy")
    scales = np.array(codes.scales)[:, 0, 0]
    assert np.all(np.diff(scales) <= 0)
    np.testing.assert_allclose(codes.reconstruct()[0], greedy(row[0], 3, np.ones(64), False)[0])
