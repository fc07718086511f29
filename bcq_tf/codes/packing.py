"""The bit orders: of a plane of signs, and of rows of small integers.

A plane holds the signs of a matrix [n, C] in n rows of ceil(C / 32) uint32 words. Bit t of word w
(t = 0 is the least significant) is column 32 w + t; 1 means +1 and 0 means -1. The bits past the
last column are 0. For example the row + - + + - (5 columns) is the single word 0b01101 = 13.

Fields are integers of b bits, 1 to 16, that stand back to back in a row of bytes: field c takes
the bits c b to c b + b - 1, its least significant first, and bit t is bit t % 8 of byte t // 8. The
bits past the last field are 0. For example the fields 5, 1, 6 of 3 bits are the bytes 0b10001101,
0b1.
"""

from __future__ import annotations

import numpy as np

WORD_BITS = 32


def words_per_row(columns: int) -> int:
    """Number of uint32 words that hold `columns` bits."""
    return -(-columns // WORD_BITS)


def pack(positive: np.ndarray) -> np.ndarray:
    """Packs signs into words.

    Args:
        positive: bool [n, C], True where the sign is +1.

    Returns:
        uint32 [n, ceil(C / 32)].
    """
    rows, columns = positive.shape
    padded = np.zeros((rows, words_per_row(columns) * 4), np.uint8)
    octets = np.packbits(positive, axis=1, bitorder="little")
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u4").astype(np.uint32, copy=False)


def unpack(words: np.ndarray, columns: int) -> np.ndarray:
    """The inverse of `pack`: uint32 [n, ceil(C / 32)] -> bool [n, C]."""
    octets = np.ascontiguousarray(words, "<u4").view(np.uint8)
    return np.unpackbits(octets, axis=1, count=columns, bitorder="little").astype(bool)


def padding_mask(columns: int) -> np.uint32:
    """The mask of the last word's padding bits, which a valid plane has at 0."""
    used = columns % WORD_BITS
    return np.uint32(0 if used == 0 else (0xFFFFFFFF << used) & 0xFFFFFFFF)


def bytes_per_row(columns: int, bits: int) -> int:
    """Number of bytes that hold `columns` fields of `bits` bits."""
    return -(-columns * bits // 8)


def pack_fields(values: np.ndarray, bits: int) -> np.ndarray:
    """Packs fields: integers [n, C] from 0 to 2^bits - 1 -> uint8 [n, ceil(C bits / 8)]."""
    octets = np.ascontiguousarray(values, "<u2")[..., None].view(np.uint8)
    each = np.unpackbits(octets, axis=-1, count=bits, bitorder="little")
    return np.packbits(each.reshape(len(values), -1), axis=1, bitorder="little")


def unpack_fields(packed: np.ndarray, bits: int, columns: int) -> np.ndarray:
    """The inverse of `pack_fields`: uint8 [n, ceil(columns bits / 8)] -> uint16 [n, columns]."""
    each = np.unpackbits(packed, axis=1, count=columns * bits, bitorder="little")
    octets = np.packbits(each.reshape(len(packed), columns, bits), axis=-1, bitorder="little")
    padded = np.zeros((len(packed), columns, 2), np.uint8)
    padded[..., : octets.shape[-1]] = octets
    return padded.view("<u2")[..., 0].astype(np.uint16, copy=False)


def fields_padding_mask(columns: int, bits: int) -> np.uint8:
    """The mask of a row's last byte's padding bits, which valid rows have at 0."""
    used = columns * bits % 8
    return np.uint8(0 if used == 0 else (0xFF << used) & 0xFF)


def check_padding(name: str, packed: np.ndarray, columns: int, bits: int) -> None:
    """Raises ValueError unless the bits past the last of `columns` fields of each row are 0."""
    if np.any(packed[..., -1] & fields_padding_mask(columns, bits)):
        raise ValueError(f"`{name}` must have padding bits of 0. Received: 1")
