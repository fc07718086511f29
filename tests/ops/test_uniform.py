"""`uniform_gather`: what it has beside the other look-ups."""

import numpy as np
import pytest
import tensorflow as tf

from tests.ops.tables import ROWS, gather_uniform, uniform_codes


@pytest.mark.parametrize("columns", [1, 16, 50, 300])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_width_of_a_row(ops, bits, columns):
    codes = uniform_codes(bits, columns)
    ids = np.arange(ROWS)[::-1].copy()
    np.testing.assert_array_equal(gather_uniform(codes, ids), codes.reconstruct()[ids])


@pytest.mark.parametrize("zeros", [(), (2,)])
def test_the_gradient_of_the_step_between_levels(ops, zeros):
    codes, ids = uniform_codes(3, zeros=zeros), [[2, 5], [5, 0]]
    upstream = np.random.default_rng(1).normal(size=(2, 2, codes.columns)).astype("float32")
    half_step = tf.Variable(codes.half_step)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(gather_uniform(codes, ids, half_step) * upstream)
    expected = np.sum(codes.reconstruct()[ids] / codes.half_step * upstream)
    np.testing.assert_allclose(tape.gradient(loss, half_step), expected, rtol=1e-5)
