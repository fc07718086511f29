"""`relative_error`."""

import numpy as np
import pytest

from bcq_tf.solvers import quantize, relative_error
from tests.solvers.reference import draw


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
