"""Products of the compiled core: error bounds, and bits that depend on nothing but the input."""

import itertools

import numpy as np
import pytest

from tests.native import core
from tests.native.core import EXACT, FAST, Packed, product, random_codes
from tests.native.forms import (
    DTYPES,
    FORMS,
    assert_scale_gradients,
    inputs,
    packed_codes,
    relative_rms,
    seed,
)

PRECISIONS = pytest.mark.parametrize("precision", [EXACT, FAST], ids=["exact", "fast"])
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


@PRECISIONS
@EVERY_FORM
def test_every_form_within_the_error_bound(library, form, precision):
    packed = packed_codes(form)
    x = inputs((19, packed.codes.columns), seed(form))
    sizes = np.abs(x.astype(np.float64)) @ np.abs(packed.weights()).T
    sizes += np.abs(x).sum(1, keepdims=True, dtype=np.float64) * packed.magnitudes().max()
    error = product(library, packed, x, precision) - x.astype(np.float64) @ packed.weights().T
    assert np.all(np.abs(error) <= (2e-7 if precision == EXACT else 1e-2) * sizes)


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize(
    ("precision", "outliers", "bound"),
    [(EXACT, 1, 4e-7), (EXACT, 100, 2e-6), (FAST, 1, 5e-3), (FAST, 100, 5e-3)],
    ids=["exact", "exact, outliers", "fast", "fast, outliers"],
)
def test_the_published_bounds(library, bits, precision, outliers, bound):
    rng = np.random.default_rng(bits)
    packed = Packed.of(random_codes(rng, 256, 4096, bits))
    x = rng.normal(size=(16, 4096))
    x[rng.random(x.shape) < 0.01] *= outliers
    x = x.astype(np.float32)
    y = product(library, packed, x, precision)
    expected = x.astype(np.float64) @ packed.weights().T
    for row, expected_row in zip(y, expected, strict=True):
        assert relative_rms(row, expected_row) <= bound


@EVERY_FORM
@pytest.mark.parametrize(("precision", "batch"), [(EXACT, 11), (EXACT, 100), (FAST, 3)])
def test_every_instruction_set_gives_the_same_bits(libraries, form, precision, batch):
    if len(libraries) == 1:
        pytest.skip("this processor has one")
    results = []
    for library in libraries.values():
        packed = packed_codes(form)
        x = inputs((batch, packed.codes.columns), seed(form))
        results.append(product(library, packed, x, precision))
    for one, other in itertools.pairwise(results):
        np.testing.assert_array_equal(one, other)


@PRECISIONS
@EVERY_FORM
def test_threads_and_splits_of_the_batch_do_not_change_a_bit(library, form, precision):
    packed = packed_codes(form)
    x = inputs((45, packed.codes.columns), seed(form))
    expected = product(library, packed, x, precision)
    for threads in (2, 7):
        np.testing.assert_array_equal(product(library, packed, x, precision, threads), expected)
    if precision == FAST:  # many rows may go another way
        return
    for size in (1, 2, 3, 8, 44):
        parts = [product(library, packed, x[i : i + size], precision) for i in range(0, 45, size)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@PRECISIONS
@EVERY_FORM
@pytest.mark.parametrize("dtype", DTYPES[1:], ids=["float16", "bfloat16"])
def test_half_precision_is_converted_at_the_door_only(library, form, precision, dtype):
    packed = packed_codes(form)
    x = inputs((5, packed.codes.columns), seed(form), dtype)
    expected = product(library, packed, x.astype(np.float32), precision).astype(dtype)
    np.testing.assert_array_equal(product(library, packed, x, precision), expected)


@PRECISIONS
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float16", "bfloat16"])
@EVERY_FORM
def test_nan_and_inf_go_where_a_float_product_takes_them(library, form, precision, dtype):
    packed = packed_codes(form)
    last = packed.codes.columns - 1
    x = inputs((6, last + 1), seed(form), dtype)
    clean = product(library, packed, x, precision)
    x[1, 0], x[2, last], x[3, last // 2], x[4, [0, last]] = (
        np.nan,
        np.inf,
        -np.inf,
        (np.inf, -np.inf),
    )
    y = product(library, packed, x, precision).astype(np.float32)
    weights = packed.weights().astype(np.float32)
    with np.errstate(invalid="ignore"):
        expected = x.astype(np.float32) @ weights.T
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_array_equal(y[np.isinf(expected)], expected[np.isinf(expected)])
    np.testing.assert_array_equal(y[[0, 5]], clean[[0, 5]].astype(np.float32))


@PRECISIONS
def test_sums_beyond_the_type_become_inf(library, precision):
    packed = Packed.of(random_codes(np.random.default_rng(0), 70, 64, 2))
    for dtype, size in ((np.float16, 60000), (np.float32, 3e38)):
        x = np.sign(packed.weights()[:3]).astype(dtype) * dtype(size)
        y = product(library, packed, x, precision)
        assert np.all(np.isposinf(y[[0, 1, 2], [0, 1, 2]]))
        assert not np.any(np.isnan(y))


@pytest.mark.parametrize("size", [1e-44, 1e-39, 1e-30, 1e30, 1e36])
def test_inputs_of_any_size(library, size):
    packed = Packed.of(random_codes(np.random.default_rng(0), 70, 1100, 3))
    x = (inputs((3, 1100), 0) * size).astype(np.float32)
    y = product(library, packed, x)
    expected = x.astype(np.float64) @ packed.weights().T
    least = 1.5e-45 / np.abs(expected).mean()
    assert relative_rms(y, expected) <= 3e-7 + least


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float16", "bfloat16"])
@EVERY_FORM
def test_gradients(library, form, dtype):
    packed = packed_codes(form)
    rows, columns = packed.codes.shape
    x, dy = inputs((67, columns), seed(form), dtype), inputs((67, rows), seed(form) + 1, dtype)
    wide_x, wide_dy = x.astype(np.float64), dy.astype(np.float64)
    tolerance = {2: 4e-3, 4: 1e-6}[x.itemsize]
    dx = core.product_transposed(library, packed, dy)
    assert relative_rms(dx, wide_dy @ packed.weights()) <= tolerance
    found = core.product_scale_gradient(library, packed, x, dy)
    assert_scale_gradients(found, packed, wide_dy.T @ wide_x)


@EVERY_FORM
def test_gradients_have_the_same_bits_for_any_threads(library, form):
    packed = packed_codes(form)
    rows, columns = packed.codes.shape
    x, dy = inputs((67, columns), seed(form)), inputs((67, rows), seed(form) + 1)
    dx = core.product_transposed(library, packed, dy)
    gradients = core.product_scale_gradient(library, packed, x, dy)
    for threads in (2, 7):
        np.testing.assert_array_equal(core.product_transposed(library, packed, dy, threads), dx)
        again = core.product_scale_gradient(library, packed, x, dy, threads)
        for one, other in zip(again, gradients, strict=True):
            np.testing.assert_array_equal(one, other)
    for size in (1, 3, 64):
        parts = [
            core.product_transposed(library, packed, dy[i : i + size]) for i in range(0, 67, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), dx)
