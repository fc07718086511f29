"""The bit order: bit t of word w is column 32 w + t; padding bits are 0."""

import numpy as np
import pytest

from bcq_tf import packing


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
