"""`CompositionalCodes`: a table whose rows are sums of vectors from codebooks."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import (
    LARGEST_SUM,
    CodedMatrix,
    check_ids,
    check_in_float32,
    check_octets,
    frozen,
    largest_magnitude,
    row_blocks,
)

MOST_ENTRIES = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False)
class CompositionalCodes(CodedMatrix):
    """A matrix [R, D] of which row r is

        W[r] = sum_m codebooks[m, index[r, m]]

    (Shu & Nakayama 2018, "Compressing word embeddings via deep compositional code learning").
    Immutable.

    Args:
        packed: uint8 [R, ceil(M bits / 8)], the indexes as fields of `bits` bits; see
            `bcq_tf.codes.packing`. Make it of plain indexes with `CompositionalCodes.of`.
        codebooks: float32 or float16 [M, K, D], finite, K from 1 to 65,536. K need not be a power
            of two; an index takes ceil(log2 K) bits, at least one.

    Raises:
        ValueError, TypeError: the parts do not fit together.
    """

    packed: np.ndarray
    codebooks: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "packed", frozen(self.packed))
        object.__setattr__(self, "codebooks", frozen(self.codebooks))
        _check(self)

    @classmethod
    def of(cls, indexes, codebooks) -> CompositionalCodes:
        """The codes of integers [R, M], each from 0 to K - 1.

        Raises:
            ValueError, TypeError: the parts do not fit together.
        """
        indexes, codebooks = np.asarray(indexes), np.asarray(codebooks)
        _check_codebooks(codebooks)
        count, entries = codebooks.shape[:2]
        if indexes.ndim != 2 or indexes.shape[1] != count or not len(indexes):
            raise ValueError(
                f"`indexes` must be [R, {count}] with a row at least. "
                f"Received: {list(indexes.shape)}"
            )
        if not np.issubdtype(indexes.dtype, np.integer):
            raise TypeError(f"`indexes` must be integers. Received: {indexes.dtype}")
        _check_range(indexes, entries)
        return cls(packing.pack_fields(indexes, index_bits(entries)), codebooks)

    @property
    def bits(self) -> int:
        """Of an index: ceil(log2 K), at least 1."""
        return index_bits(self.codebooks.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(R, D)."""
        return len(self.packed), self.codebooks.shape[2]

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name: "packed" and "codebooks"."""
        return {"packed": self.packed, "codebooks": self.codebooks}

    def indexes(self) -> np.ndarray:
        """The indexes, uint16 [R, M]."""
        return packing.unpack_fields(self.packed, self.bits, len(self.codebooks))

    def rows(self, ids) -> np.ndarray:
        """See `CodedMatrix.rows`."""
        packed = self.packed[check_ids(ids, self.shape[0])]
        indexes = packing.unpack_fields(packed, self.bits, len(self.codebooks))
        result = np.zeros((len(packed), self.shape[1]), np.float32)
        for codebook, index in zip(self.codebooks, indexes.T, strict=True):
            result += codebook[index]
        return result

    def __repr__(self) -> str:
        count, entries, _ = self.codebooks.shape
        return (
            f"CompositionalCodes({list(self.shape)}, M={count}, K={entries}, {self.nbytes} bytes, "
            f"{self.bits_per_weight:.2f} bits per weight)"
        )


def index_bits(entries: int) -> int:
    """Bits of an index into a codebook of `entries` vectors."""
    return max(1, (entries - 1).bit_length())


def _check(codes: CompositionalCodes) -> None:
    _check_codebooks(codes.codebooks)
    count, entries = codes.codebooks.shape[:2]
    rows, width = len(codes.packed), packing.bytes_per_row(count, codes.bits)
    check_octets("packed", codes.packed, (rows, width))
    if rows < 1:
        raise ValueError("`packed` must have at least one row. Received: 0 rows")
    if np.any(codes.packed[:, -1] & packing.fields_padding_mask(count, codes.bits)):
        raise ValueError("`packed` must have padding bits of 0. Received: 1")
    if entries < 1 << codes.bits:
        for block in row_blocks((rows, count)):
            _check_range(packing.unpack_fields(codes.packed[block], codes.bits, count), entries)


def _check_codebooks(codebooks: np.ndarray) -> None:
    if codebooks.dtype not in (np.float32, np.float16):
        raise TypeError(f"`codebooks` must be float32 or float16. Received: {codebooks.dtype}")
    if codebooks.ndim != 3 or 0 in codebooks.shape or codebooks.shape[1] > MOST_ENTRIES:
        raise ValueError(
            f"`codebooks` must be [M, K, D] with K from 1 to {MOST_ENTRIES}. "
            f"Received: {list(codebooks.shape)}"
        )
    check_in_float32("codebooks", codebooks)
    sums = sum(largest_magnitude(codebook) for codebook in codebooks)
    if sums > LARGEST_SUM:
        raise ValueError(
            f"`codebooks` must have sums in the range of float32. Received: up to {sums:.6g}"
        )


def _check_range(indexes: np.ndarray, entries: int) -> None:
    wrong = indexes[(indexes < 0) | (indexes >= entries)]
    if wrong.size:
        raise ValueError(f"`indexes` must be from 0 to {entries - 1}. Received: {wrong[0]}")
