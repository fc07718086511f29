"""Scales of few digits: what a number becomes, and how they stand in files."""

import numpy as np
import pytest

from bcq_tf.codes.scale_dtypes import SCALE_DTYPES, pack_short, unpack_short

SHORT = SCALE_DTYPES["e5m4"]
# All of them, by the definition of a float with 5 bits of exponent, of bias 15, and 4 of mantissa.
NUMBERS = np.array(
    [
        mantissa * 2.0**-18 if exponent == 0 else (1 + mantissa / 16) * 2.0 ** (exponent - 15)
        for exponent in range(31)
        for mantissa in range(16)
    ]
)


def test_a_number_becomes_the_nearest_one_of_two_the_even():
    rng = np.random.default_rng(0)
    between = (NUMBERS[:-1] + NUMBERS[1:]) / 2
    values = np.concatenate([NUMBERS, between, np.exp(rng.uniform(-14, 11, 4000))])
    distance = np.abs(values[:, None] - NUMBERS)
    nearest = distance == distance.min(axis=1, keepdims=True)
    even = np.arange(len(NUMBERS)) % 2 == 0
    expected = NUMBERS[np.argmax(nearest * (1 + even), axis=1)]
    found = SHORT.rounded(values)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(SHORT.rounded(-values), -expected)


def test_what_is_too_large_is_infinite():
    assert (SHORT.max, SHORT.step) == (NUMBERS[-1], NUMBERS[1])
    values = np.array([64511.0, 64513.0, -1e30, np.inf, 0.0, np.nan])
    expected = [NUMBERS[-1], np.inf, -np.inf, np.inf, 0.0, np.nan]
    np.testing.assert_array_equal(SHORT.rounded(values), expected)


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_floats_are_as_numpy_rounds_them(name):
    values = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_array_equal(SCALE_DTYPES[name].rounded(values), values.astype(name))
    assert SCALE_DTYPES[name].max == np.finfo(name).max
    assert SCALE_DTYPES[name].step == np.finfo(name).smallest_subnormal


@pytest.mark.parametrize("groups", [1, 7, 8, 9])
@pytest.mark.parametrize("rows", [(1,), (5, 3), (4, 4, 0)])
def test_they_take_nine_bits_in_files(rows, groups):
    rng = np.random.default_rng(groups)
    scales = tuple(rng.choice(NUMBERS, (n, groups)).astype(np.float16) for n in rows)
    packed = pack_short(scales)
    assert packed.nbytes == -(-9 * sum(rows) * groups // 8)
    np.testing.assert_array_equal(unpack_short(packed, sum(rows)), np.concatenate(scales))


@pytest.mark.parametrize("other", [1 / 3, -0.5, 2.0**-19, 1 + 2.0**-5])
def test_one_that_is_none_of_them_leaves_all_as_they_are(other):
    scales = np.full((3, 4), 0.5, np.float16)
    assert pack_short((scales, np.array([[other] * 4], np.float16))) is None
    assert pack_short((scales.astype(np.float32),)) is None


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros(6, np.uint8),  # neither 1 nor 2 numbers for each of 4 rows
        np.zeros((1, 5), np.uint8),
        np.zeros(5, np.int8),
        np.array([0, 0, 0, 0, 1 << 4], np.uint8),  # padding
    ],
)
def test_what_is_no_such_array_is_refused(packed):
    with pytest.raises(ValueError, match="`scales` must"):
        unpack_short(packed, 4)
