"""`BinaryCodes`: a matrix as a sum of scaled sign patterns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.codes.coded_matrix import (
    FLOAT32_MAX,
    LARGEST_SUM,
    CodedMatrix,
    check_ids,
    check_in_float32,
    frozen,
    largest_magnitude,
    row_blocks,
)
from bcq_tf.config import check_bits, check_group_size, check_integer


@dataclasses.dataclass(frozen=True, eq=False)
class BinaryCodes(CodedMatrix):
    """A matrix [R, C] of which row r, column c is

        W[r, c] = offset[r, g] + sum_i scales[i][r, g] * sign(i, r, c),    g = c // group_size

    with signs in {-1, +1}, one packed bit plane for each term. Immutable.

    Planes may be ragged: plane i covers the first n_i rows, R = n_0 >= n_1 >= ..., so that rows may
    have different numbers of bits. `row_order[k]` is then the row of W that stored row k is.

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
    """

    planes: tuple[np.ndarray, ...]
    scales: tuple[np.ndarray, ...]
    columns: int
    group_size: int | None = None
    offset: np.ndarray | None = None
    row_order: np.ndarray | None = None

    def __post_init__(self):
        object.__setattr__(self, "planes", tuple(frozen(p) for p in self.planes))
        object.__setattr__(self, "scales", tuple(frozen(s) for s in self.scales))
        for name in ("offset", "row_order"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else frozen(value))
        object.__setattr__(self, "columns", check_integer("columns", self.columns, 1))
        _check(self)

    @property
    def bits(self) -> int:
        """Number of bit planes, the most that a row has."""
        return len(self.planes)

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)."""
        return len(self.planes[0]), self.columns

    @property
    def groups(self) -> int:
        """G, the number of groups that a row is cut into."""
        return 1 if self.group_size is None else -(-self.columns // self.group_size)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name: "plane0", "scale0", ..., "offset", "row_order"."""
        named = {}
        for i, (plane, scale) in enumerate(zip(self.planes, self.scales, strict=True)):
            named[f"plane{i}"], named[f"scale{i}"] = plane, scale
        for name in ("offset", "row_order"):
            if getattr(self, name) is not None:
                named[name] = getattr(self, name)
        return named

    def signs(self) -> list[np.ndarray]:
        """The sign patterns, one float32 array of -1 and +1, [n_i, C], for each plane."""
        return [_signs(plane, self.columns) for plane in self.planes]

    def blocks(self) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
        """See `CodedMatrix.blocks`; the rows are numbers where there is a `row_order`."""
        for stored in row_blocks(self.shape):
            rows = stored if self.row_order is None else self.row_order[stored]
            yield rows, self._values(np.arange(stored.start, stored.stop))

    def rows(self, ids) -> np.ndarray:
        """See `CodedMatrix.rows`."""
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

    def truncate(self, bits: int) -> BinaryCodes:
        """The codes of the first `bits` planes.

        They are valid codes, but poorer than codes solved for that number of bits.
        """
        check_bits(bits)
        if bits > self.bits:
            raise ValueError(f"`bits` must be at most {self.bits}. Received: bits={bits}")
        return dataclasses.replace(self, planes=self.planes[:bits], scales=self.scales[:bits])

    def _along_row(self, per_group: np.ndarray) -> np.ndarray:
        # [n, G] -> float32 [n, C], or [n, 1] that broadcasts where one group is the whole row.
        per_group = per_group.astype(np.float32)
        if self.groups == 1:
            return per_group
        return np.repeat(per_group, self.group_size, axis=1)[:, : self.columns]

    def __repr__(self) -> str:
        rows, columns = self.shape
        return (
            f"BinaryCodes([{rows}, {columns}], bits={self.bits}, group_size={self.group_size}, "
            f"{self.nbytes} bytes, {self.bits_per_weight:.2f} bits per weight)"
        )


def _signs(plane: np.ndarray, columns: int) -> np.ndarray:
    return np.where(packing.unpack(plane, columns), np.float32(1), np.float32(-1))


def _check(codes: BinaryCodes) -> None:
    if len(codes.planes) != len(codes.scales):
        raise ValueError(
            f"`scales` must have one array for each of {len(codes.planes)} planes. "
            f"Received: {len(codes.scales)}"
        )
    check_bits(len(codes.planes))
    check_group_size(codes.group_size)
    rows = len(codes.planes[0])
    if rows < 1:
        raise ValueError("`planes` must have at least one row. Received: 0 rows")
    _check_planes(codes)
    if codes.offset is not None:
        _check_array("offset", codes.offset, (rows, codes.groups), "floating")
    _check_sums(codes)
    if codes.row_order is not None:
        _check_array("row_order", codes.row_order, (rows,), "integer")
        if not np.array_equal(np.sort(codes.row_order), np.arange(rows)):
            raise ValueError(f"`row_order` must be a permutation of {rows} rows")


def _check_planes(codes: BinaryCodes) -> None:
    words = packing.words_per_row(codes.columns)
    padding = packing.padding_mask(codes.columns)
    rows = len(codes.planes[0])
    for i, (plane, scale) in enumerate(zip(codes.planes, codes.scales, strict=True)):
        if plane.dtype != np.uint32:
            raise TypeError(f"`planes` must be uint32. Received: {plane.dtype} (plane {i})")
        if plane.ndim != 2 or plane.shape[1] != words or len(plane) > rows:
            raise ValueError(
                f"`planes` must be [n, {words}] with n falling from {rows}. "
                f"Received: {list(plane.shape)} (plane {i})"
            )
        rows = len(plane)
        if np.bitwise_or.reduce(plane[:, -1]) & padding:
            raise ValueError(f"`planes` must have padding bits of 0. Received: 1 (plane {i})")
        _check_array(f"scales[{i}]", scale, (rows, codes.groups), "floating")


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


def _check_array(name: str, array: np.ndarray, shape: tuple[int, ...], kind: str) -> None:
    if array.shape != shape:
        raise ValueError(f"`{name}` must be {list(shape)}. Received: {list(array.shape)}")
    if not np.issubdtype(array.dtype, getattr(np, kind)):
        raise TypeError(f"`{name}` must be of {kind} dtype. Received: {array.dtype}")
    if kind == "floating":
        check_in_float32(name, array)
