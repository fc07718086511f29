"""`UniformCodes`: a table on equally spaced levels within one clipping limit."""

from __future__ import annotations

import dataclasses
import numbers
from typing import ClassVar

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import CodedMatrix, check_columns, check_ids
from bcq_tf.codes.declaration import Array
from bcq_tf.codes.float_range import LARGEST_SUM
from bcq_tf.codes.kinds import register
from bcq_tf.codes.packing import bytes_per_row, check_padding
from bcq_tf.config import check_bits
from bcq_tf.shown import short


def _check_limit(limit) -> float:
    number = isinstance(limit, numbers.Real) and not isinstance(limit, bool)
    if not number or not 0 <= limit <= LARGEST_SUM:
        raise ValueError(
            f"`limit` must be a float32 from 0 upwards, finite. Received: limit={short(limit)}"
        )
    return float(limit)


@register
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class UniformCodes(CodedMatrix):
    """A matrix [R, C] of which row r, column c is

        W[r, c] = limit (2 k[r, c] - L) / L,    L = 2^bits - 1, k an integer from 0 to L

    so that its 2^bits levels, equally spaced from -limit to limit, hold for the whole table (May et
    al. 2019, "On the downstream performance of compressed word embeddings"). Rows of zeros, for
    which there is no level, are marked. Immutable.

    Args:
        packed: uint8 [R, ceil(C bits / 8)], the integers k as fields; see `bcq_tf.codes.packing`.
        limit: the clipping limit, finite and not negative.
        bits: of a field, 1 to 8.
        columns: C.
        zero_rows: uint8 [ceil(R / 8)] or None where no row is marked; row r is zero where bit r % 8
            of byte r // 8 is 1. The bits past the last row are 0.

    Raises:
        ValueError, TypeError: the parts do not fit together.

    Example:
        >>> matrix = np.linspace(-1, 1, 64).reshape(2, 32)
        >>> codes = bcq_tf.embeddings.quantize_uniform(matrix, bits=2)
        >>> codes.shape, codes.bits, codes.packed.shape
        ((2, 32), 2, (2, 8))
        >>> codes.levels
        array([-0.7618604 , -0.25395346,  0.25395346,  0.7618604 ], dtype=float32)
    """

    packed: np.ndarray
    limit: float
    bits: int
    columns: int
    zero_rows: np.ndarray | None = None

    KIND = "uniform"
    SUMMARY = "bits={0.bits}, limit={0.limit:.6g}"
    FACTS: ClassVar = {"bits": check_bits, "columns": check_columns, "limit": _check_limit}
    ARRAYS: ClassVar = {
        "packed": Array(
            ("uint8",), lambda codes: (codes.shape[0], bytes_per_row(codes.shape[1], codes.bits))
        ),
        "zero_rows": Array(
            ("uint8",), lambda codes: (bytes_per_row(codes.shape[0], 1),), optional=True
        ),
    }

    def __post_init__(self):
        super().__post_init__()
        check_padding("packed", self.packed, self.columns, self.bits)
        if self.zero_rows is not None:
            check_padding("zero_rows", self.zero_rows, len(self.packed), 1)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.packed), self.columns

    @property
    def levels(self) -> np.ndarray:
        """The values of the fields 0 to L, float32 [2^bits]; level k is minus level L - k.

        One product each, of 2 k - L and `half_step`, so that they are the same bits wherever they
        are computed.
        """
        last = (1 << self.bits) - 1
        return np.arange(-last, last + 1, 2, np.float32) * self.half_step

    @property
    def half_step(self) -> np.float32:
        """limit / L, half of what lies between two levels."""
        return np.float32(self.limit) / np.float32((1 << self.bits) - 1)

    def rows(self, ids) -> np.ndarray:
        ids = check_ids(ids, self.shape[0])
        fields = packing.unpack_fields(self.packed[ids], self.bits, self.columns)
        values = self.levels[fields]
        if self.zero_rows is not None:
            values[(self.zero_rows[ids // 8] >> (ids % 8).astype(np.uint8)) & 1 == 1] = 0
        return values

    def without_row(self, row: int) -> UniformCodes:
        """The codes with zeros in a row."""
        marks = np.zeros(self.shape[0], np.uint8)
        if self.zero_rows is not None:
            marks = np.unpackbits(self.zero_rows, count=self.shape[0], bitorder="little")
        marks[row] = 1
        return dataclasses.replace(self, zero_rows=np.packbits(marks, bitorder="little"))
