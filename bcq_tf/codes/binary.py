"""`BinaryCodes`: a matrix as a sum of scaled sign patterns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import CodedMatrix, check_columns, check_ids, row_blocks
from bcq_tf.codes.declaration import Array
from bcq_tf.codes.float_range import FLOAT32_MAX, LARGEST_SUM, largest_magnitude
from bcq_tf.codes.kinds import register
from bcq_tf.codes.row_bits import pack_row_bits, row_order_of, stored_bits
from bcq_tf.codes.scale_dtypes import pack_short, unpack_short
from bcq_tf.config import check_bits, check_group_size


@register
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class BinaryCodes(CodedMatrix):
    """A matrix [R, C] of which row r, column c is

        W[r, c] = offset[r, g] + sum_i scales[i][r, g] * sign(i, r, c),    g = c // group_size

    with signs in {-1, +1}, one packed bit plane for each term. Immutable.

    Planes may be ragged: plane i covers the first n_i rows, R = n_0 >= n_1 >= ..., so that rows may
    have different numbers of bits. `row_order[k]` is then the row of W that stored row k is. In
    files the order takes 2 bits a row where rows of as many bits stand in their own order, and
    scales 9 bits each that are all "e5m4", see `BCQConfig`.

    Args:
        planes: tuple of uint32 arrays, plane i of shape [n_i, ceil(C / 32)]; see
            `bcq_tf.codes.packing` for the bit order.
        scales: tuple of float arrays, one a plane, [n_i, G] with G = ceil(C / group_size);
            non-negative by convention of the solvers.
        columns: C, the length of the reduction axis.
        group_size: columns that share a scale, a multiple of 32; None for the whole row.
        offset: float array [R, G] or None.
        row_order: int array [R], a permutation, or None where rows are stored in order.

    Raises:
        ValueError, TypeError: the parts do not fit together.

    Example:
        >>> codes = bcq_tf.quantize(np.eye(4, 32), bits=2)
        >>> codes.shape, codes.bits, [plane.shape for plane in codes.planes]
        ((4, 32), 2, [(4, 1), (4, 1)])
        >>> codes.scales[0][0], codes.scales[1][0]
        (array([0.5], dtype=float16), array([0.5], dtype=float16))
        >>> codes.reconstruct()[1, :4]
        array([0., 1., 0., 0.], dtype=float32)
    """

    planes: tuple[np.ndarray, ...]
    scales: tuple[np.ndarray, ...]
    columns: int
    group_size: int | None = None
    offset: np.ndarray | None = None
    row_order: np.ndarray | None = None

    KIND = "binary"
    SUMMARY = "bits={0.bits}, group_size={0.group_size}"
    FACTS: ClassVar = {"columns": check_columns, "group_size": check_group_size}
    ARRAYS: ClassVar = {
        "planes": Array(("uint32",), pieces=True),
        "scales": Array(("floating",), pieces=True),
        "offset": Array(("floating",), lambda codes: (codes.shape[0], codes.groups), optional=True),
        "row_order": Array(("integer",), lambda codes: (codes.shape[0],), optional=True),
    }

    def __post_init__(self):
        if len(self.planes) != len(self.scales):
            raise ValueError(
                f"`scales` must have one array for each of {len(self.planes)} planes. "
                f"Received: {len(self.scales)}"
            )
        check_bits(len(self.planes))
        super().__post_init__()
        _check_planes(self)
        _check_sums(self)
        rows = self.shape[0]
        order = self.row_order
        if order is not None and not np.array_equal(np.sort(order), np.arange(rows)):
            raise ValueError(f"`row_order` must be a permutation of {rows} rows")

    def compact(self) -> dict[str, np.ndarray]:
        small = {"scales": pack_short(self.scales)}
        if self.row_order is not None:
            small["row_order"] = pack_row_bits([len(p) for p in self.planes], self.row_order)
        return {name: value for name, value in small.items() if value is not None}

    @classmethod
    def expand(cls, name: str, compact: np.ndarray, rows: list[int]) -> np.ndarray:
        if name == "scales":
            return unpack_short(compact, sum(rows))
        if name == "row_order":
            return row_order_of(compact, rows)
        return super().expand(name, compact, rows)

    @property
    def row_bits(self) -> np.ndarray:
        """How many bits each row of the matrix has, integers [R]."""
        stored = stored_bits([len(plane) for plane in self.planes])
        if self.row_order is None:
            return stored
        result = np.empty_like(stored)
        result[self.row_order] = stored
        return result

    @property
    def bits(self) -> int:
        """Number of bit planes, the most that a row has."""
        return len(self.planes)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.planes[0]), self.columns

    @property
    def groups(self) -> int:
        """G, the number of groups that a row is cut into."""
        return 1 if self.group_size is None else -(-self.columns // self.group_size)

    def signs(self) -> list[np.ndarray]:
        """The sign patterns, one float32 array of -1 and +1, [n_i, C], for each plane."""
        return [_signs(plane, self.columns) for plane in self.planes]

    def blocks(self) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
        """See `CodedMatrix.blocks`; the rows are numbers where there is a `row_order`."""
        for stored in row_blocks(self.shape):
            rows = stored if self.row_order is None else self.row_order[stored]
            yield rows, self._values(np.arange(stored.start, stored.stop))

    def rows(self, ids) -> np.ndarray:
        ids = check_ids(ids, self.shape[0])
        stored = ids if self.row_order is None else np.argsort(self.row_order)[ids]
        ascending = np.argsort(stored, kind="stable")
        result = np.empty((len(ids), self.columns), np.float32)
        result[ascending] = self._values(stored[ascending])
        return result

    def _values(self, stored: np.ndarray) -> np.ndarray:
        # The values of some stored rows, whose numbers do not fall, float32 [n, C].
        result = np.zeros((len(stored), self.columns), np.float32)
        if self.offset is not None:
            result += self._along_row(self.offset[stored])
        for plane, scale in zip(self.planes, self.scales, strict=True):
            covered = stored[: np.searchsorted(stored, len(plane))]
            signs = _signs(plane[covered], self.columns)
            result[: len(covered)] += self._along_row(scale[covered]) * signs
        return result

    def without_row(self, row: int) -> BinaryCodes:
        """The codes with zeros in a row."""
        stored = row if self.row_order is None else int(np.flatnonzero(self.row_order == row)[0])
        scales = tuple(_zeroed(scale, stored) for scale in self.scales)
        offset = None if self.offset is None else _zeroed(self.offset, stored)
        return dataclasses.replace(self, scales=scales, offset=offset)

    def _along_row(self, per_group: np.ndarray) -> np.ndarray:
        # [n, G] -> float32 [n, C], or [n, 1] that broadcasts where one group is the whole row.
        per_group = per_group.astype(np.float32)
        if self.groups == 1:
            return per_group
        return np.repeat(per_group, self.group_size, axis=1)[:, : self.columns]


def _signs(plane: np.ndarray, columns: int) -> np.ndarray:
    return np.where(packing.unpack(plane, columns), np.float32(1), np.float32(-1))


def _zeroed(per_row: np.ndarray, stored: int) -> np.ndarray:
    copy = np.array(per_row)
    copy[stored : stored + 1] = 0  # a plane may end before the row
    return copy


def _check_planes(codes: BinaryCodes) -> None:
    words = packing.words_per_row(codes.columns)
    padding = packing.padding_mask(codes.columns)
    rows = len(codes.planes[0])
    for i, (plane, scale) in enumerate(zip(codes.planes, codes.scales, strict=True)):
        if plane.ndim != 2 or plane.shape[1] != words or len(plane) > rows:
            raise ValueError(
                f"`planes` must be [n, {words}] with n falling from {rows}. "
                f"Received: {list(plane.shape)} (plane {i})"
            )
        rows = len(plane)
        if np.bitwise_or.reduce(plane[:, -1]) & padding:
            raise ValueError(f"`planes` must have padding bits of 0. Received: 1 (plane {i})")
        if scale.shape != (rows, codes.groups):
            raise ValueError(
                f"`scales[{i}]` must be {[rows, codes.groups]}. Received: {list(scale.shape)}"
            )


def _check_sums(codes: BinaryCodes) -> None:
    parts = (*codes.scales, *(() if codes.offset is None else (codes.offset,)))
    if sum(largest_magnitude(part) for part in parts) < FLOAT32_MAX:
        return
    sums = np.zeros((codes.shape[0], codes.groups))
    for part in parts:
        sums[: len(part)] += np.abs(part, dtype=np.float64)
    if sums.max() > LARGEST_SUM:
        raise ValueError(
            f"`scales` must have sums in the range of float32. Received: {sums.max():.6g}"
        )
