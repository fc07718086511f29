"""Orders of rows that follow from how many bits each row has."""

import numpy as np
import pytest

from bcq_tf.codes.row_bits import pack_row_bits, plane_rows, row_order_of


def order_slowly(row_bits):
    """Rows with more bits first, and those of as many in their order."""
    return [r for bits in range(8, 0, -1) for r, b in enumerate(row_bits) if b == bits]


@pytest.mark.parametrize("most", range(1, 9))
@pytest.mark.parametrize("rows", [1, 2, 9, 100])
def test_they_say_all_of_the_order(most, rows):
    row_bits = np.random.default_rng(rows).integers(1, most + 1, rows)
    row_bits[rows // 2] = most
    planes = plane_rows(row_bits)
    packed = pack_row_bits(planes, np.array(order_slowly(row_bits)))
    assert len(packed) == -(-rows * {1: 1, 2: 1, 3: 2, 4: 2}.get(most, 3) // 8)
    np.testing.assert_array_equal(row_order_of(packed, planes), order_slowly(row_bits))


@pytest.mark.parametrize(
    ("planes", "order"), [([3], [1, 0, 2]), ([3, 1], [1, 2, 0]), ([4, 2, 2], [2, 0, 1, 3])]
)
def test_other_orders_have_no_such_form(planes, order):
    assert pack_row_bits(planes, np.array(order)) is None


@pytest.mark.parametrize(
    ("packed", "planes", "message"),
    [
        ([0b01, 0], [3, 1], r"`row_bits` must be uint8 \[1\]. Received: uint8 \[2\]"),
        ([0b1001], [3, 1], "`row_bits` must have padding bits of 0"),
        ([0b011], [3, 1], "`row_bits` must be those of planes of"),
        ([0b000], [3, 1], "`row_bits` must be those of planes of"),
        ([0b111], [2, 1, 1], "`row_bits` must be those of planes of"),
        ([], [0], "`planes` must have at least one row"),
    ],
)
def test_others_are_refused(packed, planes, message):
    with pytest.raises(ValueError, match=message) as error:
        row_order_of(np.array(packed, np.uint8), planes)
    assert "\n" not in str(error.value)
