"""The uniform solver against a dense grid of clipping limits, and published figures."""

import numpy as np
import pytest

from bcq_tf.solvers import quantize
from tests.solvers.reference import DISTRIBUTIONS, draw, squared_error


def grid_error(row: np.ndarray, bits: int, centers, h) -> float:
    """The least error of uniform levels over 1,000 limits and the centers given."""
    best = np.inf
    for center in centers:
        shifted = row - center
        half = np.abs(shifted).max() * np.linspace(1e-3, 1.2, 1000)[:, None] / (2**bits - 1)
        index = np.clip(np.round((shifted / half + 2**bits - 1) / 2), 0, 2**bits - 1)
        errors = np.sum(h * (shifted - half * (2 * index + 1 - 2**bits)) ** 2, axis=1)
        best = min(best, errors.min())
    return best


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize(("bits", "columns"), [(1, 50), (2, 50), (3, 50), (5, 400)])
def test_the_clipping_limit_is_close_to_the_best_of_a_dense_grid(bits, columns, offset, weighted):
    # The error as a function of the limit has many small dents where a row is short for its bits.
    gaps = []
    for seed, name in enumerate(DISTRIBUTIONS):
        matrix = draw(name, 2, columns, seed) + (0.5 if offset else 0)
        h = np.random.default_rng(seed).uniform(0.1, 1, matrix.shape) if weighted else None
        used = np.ones(matrix.shape) if h is None else h / h.mean(axis=1, keepdims=True) + 0.1
        codes = quantize(
            matrix, bits, offset=offset, solver="uniform", importance=h, scale_dtype="float32"
        )
        for i, error in enumerate(squared_error(matrix, codes, used)):
            row = matrix[i]
            middle = (row.min() + row.max()) / 2
            centers = [row.mean(), np.median(row), middle] if offset else [0]
            gaps.append(error / grid_error(row, bits, centers, used[i]) - 1)
    assert np.mean(gaps) < 0.01
    assert np.max(gaps) < 0.15


@pytest.mark.parametrize(
    ("bits", "expected"), [(1, 0.3634), (2, 0.1188), (3, 0.03744), (4, 0.01154)]
)
def test_errors_on_gaussian_rows_are_those_of_max(bits, expected):
    # Max 1960, "Quantizing for minimum distortion", table 2.
    matrix = draw("gaussian", 16, 8192, seed=bits)
    error = squared_error(matrix, quantize(matrix, bits, solver="uniform")).sum()
    assert error / np.sum(matrix**2) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("offset", [False, True])
def test_levels_are_equally_spaced(offset):
    matrix = draw("laplace", 5, 90, seed=1) + (2 if offset else 0)
    codes = quantize(matrix, 4, group_size=32, offset=offset, solver="uniform")
    for bigger, smaller in zip(codes.scales, codes.scales[1:], strict=False):
        np.testing.assert_array_equal(bigger, 2 * smaller)


def test_an_offset_serves_skewed_rows():
    matrix = np.random.default_rng(0).exponential(size=(20, 128))
    plain = squared_error(matrix, quantize(matrix, 3, solver="uniform")).sum()
    shifted = squared_error(matrix, quantize(matrix, 3, offset=True, solver="uniform")).sum()
    assert shifted < 0.7 * plain
