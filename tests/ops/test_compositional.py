"""The gradients of `compositional_gather` against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.codes import CompositionalCodes
from bcq_tf.ops import engine, portable_ops
from tests.ops.tables import (
    COMPOSITIONAL_FORMS,
    ROWS,
    compositional_codes,
    gather_compositional,
)

every_form = pytest.mark.parametrize(
    "form", COMPOSITIONAL_FORMS.values(), ids=list(COMPOSITIONAL_FORMS)
)
IDS = np.random.default_rng(1).integers(0, ROWS, (6, 30))


def gradient_of(codes, ids, drows):
    """(rows, the gradient of the codebooks where drows is that of the rows)."""
    codebooks = tf.constant(codes.codebooks)
    with tf.GradientTape() as tape:
        tape.watch(codebooks)
        rows = gather_compositional(codes, ids, codebooks)
    return rows, tape.gradient(rows, codebooks, drows)


def sums_of(codes, ids, drows):
    """The gradient of the codebooks, in the order of the ids, float32."""
    sums = np.zeros(codes.codebooks.shape, np.float32)
    indexes = codes.indexes()[np.ravel(ids)]
    places = np.broadcast_to(np.arange(len(sums)), indexes.shape)
    drows = np.reshape(drows, [-1, 1, sums.shape[2]])
    np.add.at(sums, (places, indexes), np.broadcast_to(drows, (*indexes.shape, sums.shape[2])))
    return sums


def random_drows(codes, ids, seed=2):
    shape = (*np.shape(ids), codes.shape[1])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@every_form
def test_the_gradient_of_the_codebooks(ops, form, dtype):
    check_gradient(ops, form, dtype, lambda function: function)


@pytest.mark.parametrize(("dtype", "jit"), [("float16", False), ("float32", True)])
def test_the_gradient_in_a_function(ops, dtype, jit):
    check_gradient(
        ops, COMPOSITIONAL_FORMS["few columns"], dtype, lambda f: tf.function(f, jit_compile=jit)
    )


@pytest.mark.parametrize("form", ["long indexes", "one number"])
def test_the_gradient_of_half_precision_under_xla(ops, form):
    check_gradient(
        ops, COMPOSITIONAL_FORMS[form], "float16", lambda f: tf.function(f, jit_compile=True)
    )


def check_gradient(ops, form, dtype, traced):
    codes = compositional_codes(form, dtype)
    drows = random_drows(codes, IDS)
    function = traced(lambda ids: gradient_of(codes, ids, drows))
    gradient = function(tf.constant(IDS))[1]
    assert gradient.shape == codes.codebooks.shape
    assert gradient.dtype == dtype
    expected = sums_of(codes, IDS, drows)
    if ops == "compiled":
        np.testing.assert_array_equal(gradient, expected.astype(dtype))
    else:
        tolerance = 1e-5 if dtype == "float32" else 2e-3
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ids", [5, [], np.zeros([0, 4], int), [[1, 2], [3, 3]]])
def test_gradients_of_ids_of_any_shape(ops, ids):
    codes, ids = compositional_codes((4, 3, 7)), np.asarray(ids, np.int64)
    drows = np.ones([*ids.shape, 7], np.float32)
    rows, gradient = gradient_of(codes, ids, drows)
    np.testing.assert_array_equal(rows, codes.reconstruct()[ids])
    np.testing.assert_array_equal(gradient, sums_of(codes, ids, drows))


@pytest.mark.parametrize("shape", [[None], [None, 2], None])
def test_gradients_of_ids_whose_number_is_unknown_while_tracing(ops, shape):
    codes = compositional_codes((4, 3, 7))
    signature = tf.TensorSpec(shape, tf.int32), tf.TensorSpec(None, tf.float32)
    function = tf.function(
        lambda ids, drows: gradient_of(codes, ids, drows), input_signature=signature
    )
    ids = np.array([[5, 6]])[0 if shape == [None] else slice(None)]
    drows = random_drows(codes, ids)
    np.testing.assert_array_equal(function(ids, drows)[1], sums_of(codes, ids, drows))


@every_form
def test_the_gradient_of_the_gradient(ops, form):
    codes = compositional_codes(form)
    drows = tf.constant(random_drows(codes, IDS))
    with tf.GradientTape() as tape:
        tape.watch(drows)
        square = tf.reduce_sum(gradient_of(codes, IDS, drows)[1] ** 2)
    doubled = CompositionalCodes(codes.packed, 2 * sums_of(codes, IDS, drows))
    expected = doubled.reconstruct()[IDS]
    np.testing.assert_allclose(tape.gradient(square, drows), expected, rtol=1e-4, atol=1e-3)


def test_both_engines_give_the_same_bits():
    if not engine.library():
        pytest.skip("the compiled ops are not loaded")
    codes = compositional_codes((16, 16, 50))
    ids = np.random.default_rng(3).integers(0, ROWS, 5000)
    drows = random_drows(codes, ids)
    found = gradient_of(codes, ids, drows)
    with portable_ops():
        for one, other in zip(found, gradient_of(codes, ids, drows), strict=True):
            np.testing.assert_array_equal(one, other)
