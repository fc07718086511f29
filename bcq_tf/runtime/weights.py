"""The weights of a file as matrices to compute with: products and rows, from their codes."""

from __future__ import annotations

import abc
import ctypes

import numpy as np

from bcq_tf.codes import BinaryCodes, CodedMatrix, CompositionalCodes, UniformCodes
from bcq_tf.codes.coded_matrix import check_ids, row_blocks
from bcq_tf.codes.layout import Layout
from bcq_tf.codes.tiles import scales_of, tiles_of
from bcq_tf.pool import threads
from bcq_tf.runtime import core
from bcq_tf.shown import short

CACHE_LINE = 64  # bytes


class Weight(abc.ABC):
    """A matrix W, float32 [R, C] in what it stands for, that computes from its codes.

    Where the compiled core cannot be used, NumPy computes the same, more slowly.

    Attributes:
        codes: the value that the file holds.
        shape: (R, C).
    """

    def __init__(self, codes: CodedMatrix):
        self.codes, self.shape = codes, codes.shape

    @property
    def bits_per_weight(self) -> float:
        """Bits of a weight in the file."""
        return self.codes.bits_per_weight

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.codes!r})"

    def __getitem__(self, ids) -> np.ndarray:
        """Rows.

        Args:
            ids: integers [...] from 0 to R - 1.

        Returns:
            float32 [..., C].

        Raises:
            TypeError: `ids` are no integers.
            IndexError: there is no such row.
        """
        ids = np.asarray(ids)
        if ids.dtype.kind not in "iu":
            raise TypeError(f"`ids` must be integers. Received: {short(ids)}")
        if ids.dtype == np.uint64 and ids.size and ids.max() > np.iinfo(np.int64).max:
            raise IndexError(f"`ids` must be from 0 to {self.shape[0] - 1}. Received: {ids.max()}")
        ids = np.ascontiguousarray(ids, np.int64).reshape(ids.shape)
        if not self._is_compiled():
            return self.codes.rows(ids.ravel()).reshape(*ids.shape, self.shape[1])
        rows, bad = np.empty((*ids.shape, self.shape[1]), np.float32), ctypes.c_int64()
        status = self._look_up(ids, rows, ctypes.byref(bad))
        if status == core.BAD_ID:
            check_ids(ids.ravel(), self.shape[0])
        core.check(status)
        return rows

    def matmul(self, x, precision: str = "exact") -> np.ndarray:
        """x W^T, as a layer whose kernel is the transposed matrix computes it.

        Args:
            x: float32 or float16 [..., C].
            precision: "exact", or "fast", which rounds inputs to fewer bits where the codes are
                binary; see docs/kernels.md.

        Returns:
            [..., R] of the dtype of `x`.

        Raises:
            TypeError, ValueError: an argument breaks its rule.
        """
        x = np.asarray(x, order="C")
        if x.dtype not in core.TYPES or x.shape[-1:] != self.shape[1:]:
            self._refuse(x)
        if precision not in ("exact", "fast"):
            raise ValueError(f"`precision` must be 'exact' or 'fast'. Received: {short(precision)}")
        y = np.empty((*x.shape[:-1], self.shape[0]), x.dtype)
        self._multiply(x, precision == "fast", y)
        return y

    def _refuse(self, x: np.ndarray) -> None:
        if x.dtype not in core.TYPES:
            raise TypeError(f"`x` must be float32 or float16. Received: {x.dtype}")
        raise ValueError(f"`x` must be [..., {self.shape[1]}]. Received: {list(x.shape)}")

    def reconstruct(self) -> np.ndarray:
        """The whole matrix, float32 [R, C]."""
        return self.codes.reconstruct()

    def _multiply(self, x: np.ndarray, fast: bool, y: np.ndarray) -> None:
        # By rows that are decoded block by block.
        flat = x.reshape(-1, self.shape[1]).astype(np.float32)
        out = y.reshape(-1, self.shape[0])
        for block in row_blocks(self.shape):
            rows = self[np.arange(self.shape[0])[block]]
            out[:, block] = flat @ rows.T

    @abc.abstractmethod
    def _is_compiled(self) -> bool:
        """Whether the core looks up."""

    @abc.abstractmethod
    def _look_up(self, ids: np.ndarray, rows: np.ndarray, bad) -> int:
        """Fills rows by the core: the status."""


class BinaryWeight(Weight):
    """`BinaryCodes` as the core takes them: signs in tiles, from which products are computed."""

    codes: BinaryCodes

    def __init__(self, codes: BinaryCodes, thread_count: int | None = None):
        super().__init__(codes)
        self._product, self._gather = map(core.function, ("bcq_product", "bcq_gather"))
        if not self._is_compiled():
            return
        layout = Layout.of(codes)
        scales, offset = scales_of(codes, layout)
        order = codes.row_order
        arrays = {
            "plane_rows": np.array(layout.plane_rows, np.int64),
            "tiles": aligned(tiles_of(codes, layout)),
            "scales": scales,
            "offset": offset,
            "row_order": None if order is None else order.astype(np.int32),
            "row_place": None if order is None else np.argsort(order).astype(np.int32),
        }
        sizes = layout.rows, layout.columns, layout.group_size, layout.bits
        self._arrays = arrays  # which `_matrix` points to
        self._matrix = core.Matrix(
            *sizes, core.TYPES[scales.dtype], *map(core.pointer, arrays.values())
        )
        self._address = ctypes.addressof(self._matrix)
        self._parallel = threads(thread_count)

    def _is_compiled(self) -> bool:
        return self._product is not None

    def _look_up(self, ids, rows, bad) -> int:
        return self._gather(
            self._address, core.address(ids), ids.size, 0, core.address(rows), bad, self._parallel
        )

    def _multiply(self, x, fast, y) -> None:
        product, address = self._product, core.address
        if product is None:
            return super()._multiply(x, fast, y)
        batch, dtype = y.size // self.shape[0], core.TYPES[x.dtype]
        status = product(self._address, fast, dtype, address(x), batch, address(y), self._parallel)
        if status:
            core.check(status)


class _TableWeight(Weight):
    """Codes that the core decodes by rows."""

    FUNCTION: str

    def __init__(self, codes: CodedMatrix, thread_count: int | None = None):
        super().__init__(codes)
        self._rows = core.function(self.FUNCTION)
        self._parallel = threads(thread_count) if self._is_compiled() else None
        self._table = self._make_table()
        self._address = ctypes.addressof(self._table)

    @abc.abstractmethod
    def _make_table(self) -> ctypes.Structure:
        """The codes as the core takes them."""

    def _is_compiled(self) -> bool:
        return self._rows is not None

    def _look_up(self, ids, rows, bad) -> int:
        of_ids = core.Ids(ids.ctypes.data, ids.itemsize)
        return self._rows(self._address, of_ids, ids.size, core.address(rows), bad, self._parallel)


class UniformWeight(_TableWeight):
    """`UniformCodes`; products are those of NumPy with rows decoded block by block."""

    codes: UniformCodes
    FUNCTION = "bcq_uniform_rows"

    def _make_table(self) -> core.Uniform:
        packed, zero_rows = self.codes.packed, self.codes.zero_rows
        sizes = *self.shape, self.codes.bits, self.codes.half_step
        return core.Uniform(*sizes, core.pointer(packed), core.pointer(zero_rows))


class CompositionalWeight(_TableWeight):
    """`CompositionalCodes`; products are those of NumPy with rows decoded block by block."""

    codes: CompositionalCodes
    FUNCTION = "bcq_compositional_rows"

    def _make_table(self) -> core.Compositional:
        codes = self.codes
        sizes = self.shape[0], codes.count, codes.entries, self.shape[1], codes.bits
        books = codes.codebooks
        return core.Compositional(
            *sizes, core.TYPES[books.dtype], core.pointer(codes.packed), core.pointer(books)
        )


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins at a multiple of a cache line, for speed."""
    room = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


CLASSES = {
    BinaryCodes: BinaryWeight,
    UniformCodes: UniformWeight,
    CompositionalCodes: CompositionalWeight,
}
