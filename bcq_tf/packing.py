"""The bit order of a plane.

A plane holds the signs of a matrix [n, C] in n rows of ceil(C / 32) uint32 words. Bit t of word w
(t = 0 is the least significant) is column 32 w + t; 1 means +1 and 0 means -1. The bits past the
last column are 0. For example the row + - + + - (5 columns) is the single word 0b01101 = 13.
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
