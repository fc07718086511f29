"""Rows of the compiled core: bit for bit the reconstructed matrix, and their gradients."""

import numpy as np
import pytest

from tests.native import core
from tests.native.core import Packed, random_codes
from tests.native.forms import DTYPES, FORMS, assert_scale_gradients, inputs, packed_codes, seed

EVERY_FORM = pytest.mark.parametrize("form", FORMS)
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float16", "bfloat16"])


def random_ids(packed, count, seed):
    return np.random.default_rng(seed + 200).integers(0, packed.codes.shape[0], count)


@EVERY_DTYPE
@EVERY_FORM
def test_rows_are_those_of_the_reconstructed_matrix(library, form, dtype):
    packed = packed_codes(form)
    ids = random_ids(packed, 150, seed(form))
    expected = packed.codes.reconstruct().astype(np.float32)[ids].astype(dtype)
    for threads in (1, 2, 7):
        rows = core.gather(library, packed, ids, dtype, threads)
        np.testing.assert_array_equal(rows, expected)


@EVERY_DTYPE
@EVERY_FORM
def test_columns_are_those_of_the_reconstructed_matrix(library, form, dtype):
    packed = packed_codes(form)
    expected = packed.codes.reconstruct().astype(np.float32).astype(dtype).T
    for threads in (1, 2, 7):
        found = core.columns(library, packed, dtype, threads)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=["float16", "bfloat16"])
def test_rounding_of_every_kind_of_number(library, dtype):
    # One plane of scale 0: the row is the offset. Ties, subnormals, the largest numbers.
    halves = np.arange(1 << 16, dtype=np.uint16).view(dtype).astype(np.float32)
    finite = np.sort(halves[np.isfinite(halves)])
    middles = (finite[1:].astype(np.float64) + finite[:-1]) / 2
    numbers = np.concatenate([finite, middles, np.nextafter(middles.astype(np.float32), np.inf)])
    numbers = numbers.astype(np.float32)[:, np.newaxis]
    codes = random_codes(
        np.random.default_rng(0), len(numbers), 1, 1, None, True, False, np.float32
    )
    packed = Packed.of(codes)
    packed.arrays["scales"][:] = 0
    packed.arrays["offset"][:] = numbers.T
    rows = core.gather(library, packed, np.arange(len(numbers)), dtype)
    np.testing.assert_array_equal(rows.astype(np.float32), numbers.astype(dtype).astype(np.float32))


@EVERY_DTYPE
@EVERY_FORM
def test_gradients(library, form, dtype):
    packed = packed_codes(form)
    ids = random_ids(packed, 300, seed(form))
    dout = inputs((300, packed.codes.columns), seed(form), dtype)
    dweights = np.zeros(packed.codes.shape)
    np.add.at(dweights, ids, dout.astype(np.float64))
    found = core.gather_scale_gradient(library, packed, ids, dout)
    assert_scale_gradients(found, packed, dweights)
    for threads in (2, 7):
        again = core.gather_scale_gradient(library, packed, ids, dout, threads)
        for one, other in zip(again, found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_no_ids(library):
    packed = packed_codes("eight bits")
    assert core.gather(library, packed, []).shape == (0, 300)
    dout = np.zeros((0, 300), np.float32)
    for gradient in core.gather_scale_gradient(library, packed, [], dout):
        assert not np.any(gradient)
