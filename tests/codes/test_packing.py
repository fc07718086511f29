"""The bit orders: bit t of word w is column 32 w + t; fields stand back to back; padding is 0."""

import numpy as np
import pytest

from bcq_tf.codes import packing


def pack_slowly(positive):
    """The definition, one bit at a time."""
    rows, columns = positive.shape
    words = np.zeros((rows, -(-columns // 32)), np.uint32)
    for row, column in np.ndindex(rows, columns):
        if positive[row, column]:
            words[row, column // 32] |= np.uint32(1 << (column % 32))
    return words


def test_the_documented_example():
    signs = np.array([[True, False, True, True, False]])
    assert packing.pack(signs).tolist() == [[0b01101]]


@pytest.mark.parametrize("columns", [1, 5, 31, 32, 33, 63, 64, 65, 100])
@pytest.mark.parametrize("rows", [1, 3])
def test_pack_is_the_definition_and_unpack_its_inverse(rows, columns):
    positive = np.random.default_rng(columns).random((rows, columns)) < 0.5
    words = packing.pack(positive)
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, pack_slowly(positive))
    np.testing.assert_array_equal(packing.unpack(words, columns), positive)


@pytest.mark.parametrize("columns", range(1, 66))
def test_the_padding_mask_covers_what_no_column_uses(columns):
    everything = packing.pack(np.ones((1, columns), bool))
    assert packing.padding_mask(columns) == ~everything[0, -1]
    assert packing.words_per_row(columns) == everything.shape[1]


def test_a_slice_of_words_unpacks_too():
    positive = np.random.default_rng(0).random((6, 70)) < 0.5
    words = packing.pack(positive)[::2]  # not contiguous
    np.testing.assert_array_equal(packing.unpack(words, 70), positive[::2])


def pack_fields_slowly(values, bits):
    """The definition, one bit at a time."""
    rows, columns = values.shape
    octets = np.zeros((rows, -(-columns * bits // 8)), np.uint8)
    for row, column, t in np.ndindex(rows, columns, bits):
        place = column * bits + t
        octets[row, place // 8] |= np.uint8((int(values[row, column]) >> t & 1) << place % 8)
    return octets


def test_the_documented_fields():
    assert packing.pack_fields(np.array([[5, 1, 6]]), 3).tolist() == [[0b10001101, 0b1]]


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("columns", [1, 7, 8, 50])
def test_fields_are_the_definition_and_come_back(columns, bits):
    values = np.random.default_rng(bits).integers(0, 1 << bits, (3, columns))
    packed = packing.pack_fields(values, bits)
    np.testing.assert_array_equal(packed, pack_fields_slowly(values, bits))
    assert packed.shape[1] == packing.bytes_per_row(columns, bits)
    found = packing.unpack_fields(packed, bits, columns)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("columns", range(1, 12))
def test_the_padding_mask_of_fields_covers_what_no_field_uses(columns, bits):
    everything = packing.pack_fields(np.full((1, columns), (1 << bits) - 1), bits)
    assert packing.fields_padding_mask(columns, bits) == ~everything[0, -1]
