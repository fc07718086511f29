"""bcq_matmul against the float64 product with the matrix that the codes stand for."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.codes.packing import pack
from bcq_tf.ops import TiledCodes, bcq_matmul
from tests.ops.codes import FORMS, random_codes

ROUNDING = {"float32": 0, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def numpy_type(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def inputs(shape, dtype="float32", seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(numpy_type(dtype))


def magnitudes(codes):
    """The sums of the scales' magnitudes and the offset's, for each weight."""
    parts = {
        "planes": tuple(pack(np.ones((len(p), codes.columns), bool)) for p in codes.planes),
        "scales": tuple(np.abs(scale) for scale in codes.scales),
        "offset": None if codes.offset is None else np.abs(codes.offset),
    }
    return dataclasses.replace(codes, **parts).reconstruct().astype(np.float64)


def check(y, x, codes, dtype="float32", precision="exact"):
    """|error| <= bound * sum_c |x_c| |W_rc|, and the rounding of the result; where it
    is fast, of the largest |W_rc| that the scales can make."""
    matrix, x = codes.reconstruct().astype(np.float64), np.asarray(x, np.float64)
    expected = x @ matrix.T
    bound, sizes = (1e-6, matrix) if precision == "exact" else (2e-2, magnitudes(codes))
    allowed = bound * (np.abs(x) @ np.abs(sizes.T)) + ROUNDING[dtype] * np.abs(expected)
    assert np.all(np.abs(np.asarray(y, np.float64) - expected) <= allowed + 1e-7)


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_codes(ops, form, precision):
    codes = random_codes(**FORMS[form])
    x = inputs((5, codes.shape[1]))
    y = bcq_matmul(x, codes, precision)
    assert y.shape == (5, codes.shape[0])
    check(y, x, codes, precision=precision)


@pytest.mark.parametrize("seed", range(12))
def test_random_forms(ops, seed):
    rng = np.random.default_rng(seed)
    form = {
        "rows": int(rng.integers(1, 400)),
        "columns": int(rng.integers(1, 700)),
        "bits": int(rng.integers(1, 9)),
        "group_size": [None, 32, 64, 128][rng.integers(4)],
        "ragged": bool(rng.integers(2)),
        "offset": bool(rng.integers(2)),
        "dtype": ["float32", "float16"][rng.integers(2)],
    }
    codes = random_codes(seed, **form)
    x = inputs((int(rng.integers(1, 40)), form["columns"]), seed=seed)
    check(bcq_matmul(x, codes), x, codes)


@pytest.mark.parametrize("dtype", ROUNDING)
def test_the_result_has_the_dtype_of_x(ops, dtype):
    codes = random_codes(offset=True, group_size=32)
    x = inputs((7, 100), dtype)
    y = bcq_matmul(x, codes)
    assert y.dtype == dtype
    check(y.numpy(), x, codes, dtype)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3), (1, 1, 4), (129,)])
def test_any_batch_shape(ops, batch):
    codes = random_codes()
    x = inputs((*batch, 100))
    y = bcq_matmul(x, codes)
    assert y.shape == (*batch, 70)
    check(y, x, codes)


@pytest.mark.parametrize("batch", [(0,), (3, 0)])
def test_an_empty_batch(ops, batch):
    codes = TiledCodes.from_codes(random_codes(offset=True))
    x = tf.zeros((*batch, 100))
    with tf.GradientTape() as tape:
        tape.watch((x, *codes.parts))
        y = bcq_matmul(x, codes)
    dx, *dparts = tape.gradient(y, (x, *codes.parts))
    assert y.shape == (*batch, 70)
    assert dx.shape == x.shape
    for gradient, part in zip(dparts, codes.parts, strict=True):
        np.testing.assert_array_equal(gradient, tf.zeros_like(part))


@pytest.mark.parametrize("shape", [[None, 100], [None, None, 100], [None, None], None])
def test_sizes_that_are_unknown_while_tracing(ops, shape):
    codes = random_codes(offset=True)
    product = tf.function(
        lambda x: bcq_matmul(x, codes), input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    if shape is not None:
        expected = tf.TensorShape([*shape[:-1], 70])
        assert product.get_concrete_function().output_shapes.as_list() == expected.as_list()
    for batch in (1, 6, 0):
        x = inputs((2, batch, 100) if shape and len(shape) == 3 else (batch, 100))
        check(product(x), x, codes)


def test_nan_and_inf_go_where_a_float_product_takes_them(ops):
    codes = random_codes(columns=600, offset=True)
    x = inputs((6, 600))
    x[1, 5], x[2, 7], x[3, 599], x[4, [1, 2]] = np.nan, np.inf, -np.inf, (np.inf, -np.inf)
    y = bcq_matmul(x, codes)
    with np.errstate(invalid="ignore"):
        expected = x @ codes.reconstruct().T
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-3)


def test_scales_that_have_become_nan_show(ops):
    tiled = TiledCodes.from_codes(random_codes())
    scales = tf.tensor_scatter_nd_update(tiled.scales, [[0, 1, 3]], [np.nan])
    y = bcq_matmul(tf.ones([2, 100]), tiled.with_parts((scales,))).numpy()
    np.testing.assert_array_equal(np.isnan(y), np.arange(70)[np.newaxis].repeat(2, 0) == 3)


def test_the_compiled_op_gives_an_exact_row_the_same_bits_in_any_batch():
    from bcq_tf.ops import engine

    if not engine.library():
        pytest.skip("the compiled ops are not loaded")
    codes = TiledCodes.from_codes(random_codes(rows=500, columns=700, offset=True))
    x = inputs((40, 700))
    together = bcq_matmul(x, codes)
    for part in (slice(0, 1), slice(3, 20), slice(20, 40)):
        np.testing.assert_array_equal(bcq_matmul(x[part], codes), together[part])


def test_fast_is_within_its_published_bound(ops):
    codes = random_codes(rows=256, columns=4096)
    x = inputs((8, 4096))
    expected = x.astype(np.float64) @ codes.reconstruct().astype(np.float64).T
    for precision, bound in (("exact", 3e-7), ("fast", 1e-2)):
        error = bcq_matmul(x, codes, precision) - expected
        relative = np.sqrt(np.mean(np.square(error)) / np.mean(np.square(expected)))
        assert relative <= bound, precision


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones([2, 100]), TypeError, "`x` must be one of float32, .*. Received: float64"),
        (np.ones([2, 100], np.int32), TypeError, "`x` must be one of .*. Received: int32"),
        (
            np.ones([2, 99], np.float32),
            ValueError,
            r"`x` must be \[..., 100\]. Received: \(2, 99\)",
        ),
        (np.float32(1), ValueError, r"`x` must be \[..., 100\]. Received: \(\)"),
    ],
)
def test_an_x_that_does_not_fit_is_an_error(ops, x, error, message):
    with pytest.raises(error, match=message):
        bcq_matmul(x, random_codes())


@pytest.mark.parametrize("shape", [[2, 99], [2, 200], []])
def test_an_x_that_does_not_fit_is_an_error_when_the_graph_runs(ops, shape):
    codes = random_codes()
    product = tf.function(
        lambda x: bcq_matmul(x, codes), input_signature=[tf.TensorSpec(None, tf.float32)]
    )
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        product(tf.ones(shape))


def test_other_wrong_arguments(ops):
    x = tf.ones([1, 100])
    with pytest.raises(ValueError, match=r"`precision` must be one of .* precision='best'"):
        bcq_matmul(x, random_codes(), precision="best")
    with pytest.raises(TypeError, match="`codes` must be BinaryCodes or TiledCodes. .*: ndarray"):
        bcq_matmul(x, np.ones([70, 100], np.float32))
