"""bcq_gather against rows of the reconstructed matrix."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import TiledCodes, bcq_gather
from tests.ops.codes import FORMS, random_codes


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_those_of_the_reconstructed_matrix_bit_for_bit(ops, form):
    codes = random_codes(**FORMS[form])
    ids = np.random.default_rng(2).integers(0, codes.shape[0], 50)
    rows = bcq_gather(codes, ids)
    assert rows.dtype == tf.float32
    np.testing.assert_array_equal(rows, codes.reconstruct()[ids])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_another_dtype_is_the_rounded_row(ops, dtype):
    codes = random_codes(offset=True)
    rows = bcq_gather(codes, [3, 0], dtype)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows, tf.cast(codes.reconstruct()[[3, 0]], dtype))


@pytest.mark.parametrize("ids", [5, [], [[1, 2], [3, 3]], np.zeros([0, 4], np.int64)])
def test_ids_of_any_shape(ops, ids):
    codes = random_codes()
    ids = np.asarray(ids, np.int64)
    rows = bcq_gather(codes, ids)
    assert rows.shape == (*ids.shape, 100)
    np.testing.assert_array_equal(rows, codes.reconstruct()[ids])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "uint32"])
def test_ids_of_any_integer_dtype(ops, dtype):
    codes = random_codes()
    rows = bcq_gather(codes, tf.constant([69, 0], dtype))
    np.testing.assert_array_equal(rows, codes.reconstruct()[[69, 0]])


@pytest.mark.parametrize("shape", [[None], [None, 2], None])
def test_sizes_that_are_unknown_while_tracing(ops, shape):
    codes = random_codes(ragged=True)
    gather = tf.function(
        lambda ids: bcq_gather(codes, ids), input_signature=[tf.TensorSpec(shape, tf.int32)]
    )
    if shape is not None:
        known = gather.get_concrete_function().output_shapes
        assert known.as_list() == [*shape, 100]
    ids = np.array([[5, 6]] if shape == [None, 2] else [1, 2, 3])
    np.testing.assert_array_equal(gather(ids), codes.reconstruct()[ids])


@pytest.mark.parametrize("bad", [-1, 70, 2**31, -(2**40)])
@pytest.mark.parametrize("traced", [False, True])
def test_an_id_that_is_no_row_is_an_error_that_names_it(ops, bad, traced):
    tiled = TiledCodes.from_codes(random_codes())

    def gather(ids):
        return bcq_gather(tiled, ids)

    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\[1\] ?= ?{bad}\b"):
        (tf.function(gather) if traced else gather)(tf.constant([3, bad], tf.int64))


def test_arguments_that_do_not_fit(ops):
    codes = random_codes()
    with pytest.raises(TypeError, match="`ids` must be integers. Received: float32"):
        bcq_gather(codes, [1.0])
    with pytest.raises(TypeError, match="`dtype` must be one of float32, .* Received: float64"):
        bcq_gather(codes, [1], tf.float64)
    with pytest.raises(
        TypeError, match="`codes` must be BinaryCodes or TiledCodes. Received: list"
    ):
        bcq_gather([1, 2], [1])
