"""`UniformCodes`: a table on equally spaced levels within one clipping limit."""

from __future__ import annotations

import dataclasses
import numbers

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import LARGEST_SUM, CodedMatrix, check_ids, check_octets, frozen
from bcq_tf.config import check_bits, check_integer


@dataclasses.dataclass(frozen=True, eq=False)
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
    """

    packed: np.ndarray
    limit: float
    bits: int
    columns: int
    zero_rows: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "packed", frozen(self.packed))
        if self.zero_rows is not None:
            object.__setattr__(self, "zero_rows", frozen(self.zero_rows))
        object.__setattr__(self, "bits", check_bits(self.bits))
        object.__setattr__(self, "columns", check_integer("columns", self.columns, 1))
        _check(self)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)."""
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

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, and 4 for the limit."""
        return super().nbytes + 4

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name: "packed" and, where there is one, "zero_rows"."""
        marked = {} if self.zero_rows is None else {"zero_rows": self.zero_rows}
        return {"packed": self.packed} | marked

    def rows(self, ids) -> np.ndarray:
        """See `CodedMatrix.rows`."""
        ids = check_ids(ids, self.shape[0])
        fields = packing.unpack_fields(self.packed[ids], self.bits, self.columns)
        values = self.levels[fields]
        if self.zero_rows is not None:
            values[(self.zero_rows[ids // 8] >> (ids % 8).astype(np.uint8)) & 1 == 1] = 0
        return values

    def __repr__(self) -> str:
        return (
            f"UniformCodes({list(self.shape)}, bits={self.bits}, limit={self.limit:.6g}, "
            f"{self.nbytes} bytes, {self.bits_per_weight:.2f} bits per weight)"
        )


def _check(codes: UniformCodes) -> None:
    number = isinstance(codes.limit, numbers.Real)
    if not number or not 0 <= codes.limit <= LARGEST_SUM:
        raise ValueError(
            f"`limit` must be a float32 from 0 upwards, finite. Received: limit={codes.limit!r}"
        )
    width = packing.bytes_per_row(codes.columns, codes.bits)
    check_octets("packed", codes.packed, (len(codes.packed), width))
    if len(codes.packed) < 1:
        raise ValueError("`packed` must have at least one row. Received: 0 rows")
    if np.any(codes.packed[:, -1] & packing.fields_padding_mask(codes.columns, codes.bits)):
        raise ValueError("`packed` must have padding bits of 0. Received: 1")
    if codes.zero_rows is not None:
        rows = len(codes.packed)
        check_octets("zero_rows", codes.zero_rows, (packing.bytes_per_row(rows, 1),))
        if codes.zero_rows[-1] & packing.fields_padding_mask(rows, 1):
            raise ValueError("`zero_rows` must have padding bits of 0. Received: 1")
