"""`CompositionalCodes`: a table whose rows are sums of vectors from codebooks."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import CodedMatrix, check_ids, row_blocks
from bcq_tf.codes.declaration import Array
from bcq_tf.codes.float_range import LARGEST_SUM, largest_magnitude
from bcq_tf.codes.kinds import register
from bcq_tf.codes.packing import bytes_per_row

MOST_ENTRIES = 1 << 16


@register
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
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

    Example:
        >>> codebooks = np.array([[[1, 0], [0, 1]], [[0, 0], [4, 4]]], "float32")  # [M, K, D]
        >>> codes = bcq_tf.CompositionalCodes.of([[0, 1], [1, 0]], codebooks)
        >>> codes.reconstruct()
        array([[5., 4.],
               [0., 1.]], dtype=float32)
    """

    packed: np.ndarray
    codebooks: np.ndarray

    KIND = "compositional"
    SUMMARY = "M={0.count}, K={0.entries}"
    ARRAYS: ClassVar = {
        "packed": Array(
            ("uint8",), lambda codes: (codes.shape[0], bytes_per_row(codes.count, codes.bits))
        ),
        "codebooks": Array(
            ("float32", "float16"), lambda codes: (codes.count, codes.entries, codes.shape[1])
        ),
    }

    def __post_init__(self):
        _check_codebooks(np.shape(self.codebooks))
        super().__post_init__()
        _check_sums(self.codebooks)
        packing.check_padding("packed", self.packed, self.count, self.bits)
        if self.entries < 1 << self.bits:
            for block in row_blocks((len(self.packed), self.count)):
                indexes = packing.unpack_fields(self.packed[block], self.bits, self.count)
                _check_range(indexes, self.entries)

    @classmethod
    def of(cls, indexes, codebooks) -> CompositionalCodes:
        """The codes of integers [R, M], each from 0 to K - 1.

        Raises:
            ValueError, TypeError: the parts do not fit together.
        """
        indexes, codebooks = np.asarray(indexes), np.asarray(codebooks)
        count, entries, _ = _check_codebooks(codebooks.shape)
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
        return index_bits(self.entries)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.packed), self.codebooks.shape[2]

    @property
    def count(self) -> int:
        """M, the number of codebooks."""
        return len(self.codebooks)

    @property
    def entries(self) -> int:
        """K, the number of vectors in a codebook."""
        return self.codebooks.shape[1]

    def indexes(self) -> np.ndarray:
        """The indexes, uint16 [R, M]."""
        return packing.unpack_fields(self.packed, self.bits, self.count)

    def rows(self, ids) -> np.ndarray:
        packed = self.packed[check_ids(ids, self.shape[0])]
        indexes = packing.unpack_fields(packed, self.bits, self.count)
        result = np.zeros((len(packed), self.shape[1]), np.float32)
        for codebook, index in zip(self.codebooks, indexes.T, strict=True):
            result += codebook[index]
        return result


def index_bits(entries: int) -> int:
    """Bits of an index into a codebook of `entries` vectors."""
    return max(1, (entries - 1).bit_length())


def _check_codebooks(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 3 or 0 in shape or shape[1] > MOST_ENTRIES:
        raise ValueError(
            f"`codebooks` must be [M, K, D] with K from 1 to {MOST_ENTRIES}. "
            f"Received: {list(shape)}"
        )
    return shape


def _check_sums(codebooks: np.ndarray) -> None:
    sums = sum(largest_magnitude(codebook) for codebook in codebooks)
    if sums > LARGEST_SUM:
        raise ValueError(
            f"`codebooks` must have sums in the range of float32. Received: up to {sums:.6g}"
        )


def _check_range(indexes: np.ndarray, entries: int) -> None:
    wrong = indexes[(indexes < 0) | (indexes >= entries)]
    if wrong.size:
        raise ValueError(f"`indexes` must be from 0 to {entries - 1}. Received: {wrong[0]}")
