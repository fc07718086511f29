"""How many bits each row has, packed: in place of a row order, of which it says all.

Codes whose rows have different numbers of bits store those with more first. Where rows with as many
stand in their own order, these numbers tell where each row is, in 2 bits a row (in 1 where the most
is 2, in 3 where it is more than 4) instead of its number.
"""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import packing


def pack_row_bits(planes: list[int], row_order: np.ndarray) -> np.ndarray | None:
    """The rows' numbers of bits as a uint8 vector; None where they do not tell the order.

    Args:
        planes: the rows that each plane covers.
        row_order: int [R], the row that each stored row is.
    """
    follows = np.diff(row_order) > 0
    begins = np.setdiff1d(planes, (0, planes[0]))  # of rows with fewer bits
    follows[begins - 1] = True
    if not follows.all():
        return None
    less_one = np.empty(planes[0], np.uint8)
    less_one[row_order] = stored_bits(planes) - 1
    return packing.pack_fields(less_one[None], _width(planes))[0]


def row_order_of(packed: np.ndarray, planes: list[int]) -> np.ndarray:
    """The row that each stored row is, int32 [R]: the inverse of `pack_row_bits`.

    Raises:
        ValueError: they are not the numbers of bits of rows of these planes.
    """
    rows, width = planes[0], _width(planes)
    if rows < 1:
        raise ValueError("`planes` must have at least one row. Received: 0 rows")
    if packed.dtype != np.uint8 or packed.shape != (packing.bytes_per_row(rows, width),):
        raise ValueError(
            f"`row_bits` must be uint8 [{packing.bytes_per_row(rows, width)}]. "
            f"Received: {packed.dtype} {list(packed.shape)}"
        )
    packing.check_padding("row_bits", packed[None], rows, width)
    less_one = packing.unpack_fields(packed[None], width, rows)[0]
    order = np.argsort(-less_one.astype(np.int64), kind="stable")
    if not np.array_equal(less_one[order] + 1, stored_bits(planes)):
        raise ValueError(f"`row_bits` must be those of planes of {planes} rows. Received: others")
    return order.astype(np.int32)


def plane_rows(row_bits: np.ndarray) -> list[int]:
    """The rows that each plane covers of codes with these bits, integers [R] from 1 to 8."""
    return [int(np.count_nonzero(row_bits > i)) for i in range(row_bits.max())]


def packed_bytes(rows: int, bits: int) -> int:
    """The bytes of `pack_row_bits`, where `bits` is the most that a row has."""
    return packing.bytes_per_row(rows, _width([rows] * bits))


def stored_bits(planes: list[int]) -> np.ndarray:
    """The number of bits of each stored row, integers [R]."""
    return np.sum([np.arange(planes[0]) < n for n in planes], axis=0)


def _width(planes: list[int]) -> int:
    return max(1, (len(planes) - 1).bit_length())
