"""`uniform_gather` against the codes' matrix."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.embeddings import quantize_uniform
from bcq_tf.ops.uniform import uniform_gather

ROWS = 21


def make_codes(bits, columns=13, zeros=()):
    matrix = np.random.default_rng(bits).normal(size=(ROWS, columns)).astype("float32")
    matrix[list(zeros)] = 0
    return quantize_uniform(matrix, bits)


def gather(codes, ids):
    parts = tf.constant(codes.packed), tf.constant(codes.half_step)
    return uniform_gather(*parts, ids, codes.bits, codes.columns, codes.zero_rows)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("zeros", [(), (0, 7, 8, 20)])
@pytest.mark.parametrize("bits", range(1, 9))
def test_rows_are_those_of_the_matrix_bit_for_bit(bits, zeros, jit):
    codes = make_codes(bits, zeros=zeros)
    ids = np.random.default_rng(0).integers(0, ROWS, (4, 9))
    function = tf.function(lambda ids: gather(codes, ids), jit_compile=jit)
    for received in (ids, ids.astype("int32"), ids.astype("uint8"), ids[0], ids[0, 0], ids[:, :0]):
        rows = function(tf.constant(received))
        assert rows.dtype == tf.float32
        np.testing.assert_array_equal(rows, codes.reconstruct()[received])


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**31 + 1])
@pytest.mark.parametrize("zeros", [(), (2,)])
def test_an_id_that_is_no_row_is_an_error_and_nan_under_xla(wrong, zeros):
    codes = make_codes(3, zeros=zeros)
    ids = tf.constant([3, wrong, 0], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        gather(codes, ids)
    rows = tf.function(lambda ids: gather(codes, ids), jit_compile=True)(ids).numpy()
    assert np.isnan(rows[1]).all()
    np.testing.assert_array_equal(rows[[0, 2]], codes.reconstruct()[[3, 0]])


def test_ids_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="`ids` must be integers"):
        gather(make_codes(2), tf.constant([1.0]))
