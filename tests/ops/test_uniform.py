"""`uniform_gather` against the codes' matrix."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.embeddings import quantize_uniform
from bcq_tf.ops import compiled
from bcq_tf.ops.uniform import uniform_gather

ROWS = 21


def make_codes(bits, columns=13, zeros=()):
    matrix = np.random.default_rng(bits).normal(size=(ROWS, columns)).astype("float32")
    matrix[list(zeros)] = 0
    return quantize_uniform(matrix, bits)


def gather(codes, ids, half_step=None):
    half_step = tf.constant(codes.half_step) if half_step is None else half_step
    parts = tf.constant(codes.packed), half_step
    return uniform_gather(*parts, ids, codes.bits, codes.columns, codes.zero_rows)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("zeros", [(), (0, 7, 8, 20)])
@pytest.mark.parametrize("bits", range(1, 9))
def test_rows_are_those_of_the_matrix_bit_for_bit(ops, bits, zeros, jit):
    codes = make_codes(bits, zeros=zeros)
    ids = np.random.default_rng(0).integers(0, ROWS, (4, 9))
    function = tf.function(lambda ids: gather(codes, ids), jit_compile=jit)
    for received in (ids, ids.astype("int32"), ids.astype("uint8"), ids[0], ids[0, 0], ids[:, :0]):
        rows = function(tf.constant(received))
        assert rows.dtype == tf.float32
        np.testing.assert_array_equal(rows, codes.reconstruct()[received])


@pytest.mark.parametrize("columns", [1, 16, 50, 300])
@pytest.mark.parametrize("bits", range(1, 9))
def test_every_width_of_a_row(ops, bits, columns):
    codes = make_codes(bits, columns)
    ids = np.arange(ROWS)[::-1].copy()
    np.testing.assert_array_equal(gather(codes, ids), codes.reconstruct()[ids])


@pytest.mark.parametrize("zeros", [(), (2,)])
def test_the_gradient_of_the_step_between_levels(ops, zeros):
    codes, ids = make_codes(3, zeros=zeros), [[2, 5], [5, 0]]
    upstream = np.random.default_rng(1).normal(size=(2, 2, codes.columns)).astype("float32")
    half_step = tf.Variable(codes.half_step)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(gather(codes, ids, half_step) * upstream)
    expected = np.sum(codes.reconstruct()[ids] / codes.half_step * upstream)
    np.testing.assert_allclose(tape.gradient(loss, half_step), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [[None], [None, 2], None])
def test_sizes_that_are_unknown_while_tracing(ops, shape):
    codes = make_codes(5)
    function = tf.function(
        lambda ids: gather(codes, ids), input_signature=[tf.TensorSpec(shape, tf.int32)]
    )
    if shape is not None:
        assert function.get_concrete_function().output_shapes.as_list() == [*shape, codes.columns]
    ids = np.array([[5, 6]])[0 if shape == [None] else slice(None)]
    np.testing.assert_array_equal(function(ids), codes.reconstruct()[ids])


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**31 + 1])
@pytest.mark.parametrize("zeros", [(), (2,)])
def test_an_id_that_is_no_row(ops, wrong, zeros):
    codes = make_codes(3, zeros=zeros)
    ids = tf.constant([3, wrong, 0], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        gather(codes, ids)
    function = tf.function(lambda ids: gather(codes, ids), jit_compile=True)
    if ops == "compiled":
        message = rf"`ids` must be from 0 to 20. Received: ids\[1\]={wrong}"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(ids)
    else:
        rows = function(ids).numpy()
        assert np.isnan(rows[1]).all()
        np.testing.assert_array_equal(rows[[0, 2]], codes.reconstruct()[[3, 0]])


def test_ids_that_are_no_integers_are_refused(ops):
    with pytest.raises(TypeError, match="`ids` must be integers"):
        gather(make_codes(2), tf.constant([1.0]))


# The compiled op called directly: an error and never a crash

GATHER = {
    "packed": tf.zeros([20, 2], tf.uint8),
    "half_step": tf.constant(1.0),
    "zero_rows": tf.zeros([3], tf.uint8),
    "ids": tf.zeros([4], tf.int64),
    "bits": 3,
    "columns": 5,
}
WRONG = {
    "packed": (tf.zeros([20, 3], tf.uint8), r"`packed` must be \[rows, 2\]. Received: \[20,3\]"),
    "half_step": (tf.zeros([1]), r"`half_step` must be \[\]. Received: \[1\]"),
    "zero_rows": (tf.zeros([2], tf.uint8), r"`zero_rows` must be \[3\] or \[0\]. Received: \[2\]"),
    "ids": (tf.constant([0, 20], tf.int64), r"from 0 to 19. Received: ids\[1\]=20"),
    "bits": (9, "`bits` must be from 1 to 8. Received: bits=9"),
    "columns": (2**62, "A row must have one field or more. Received: 46"),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_an_argument_that_does_not_fit(name, jit):
    if not compiled.available():
        pytest.skip("the compiled ops are not loaded")
    value, message = WRONG[name]
    call = compiled._library().bcq_uniform_rows
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        (tf.function(call, jit_compile=True) if jit else call)(**{**GATHER, name: value})
