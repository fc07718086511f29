"""`native/cuda` by ctypes, with torch tensors: for tests and benchmarks without TensorFlow."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np
import torch

from bcq_tf.codes import BinaryCodes, packing

ROOT = Path(__file__).resolve().parents[2]
TILE_ROWS = 64
TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
PRECISIONS = {"exact": 0, "fast": 1}
OK, BAD_ARGUMENT = 0, 1


class Matrix(ctypes.Structure):
    """bcq_matrix of native/core/matrix.h."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("group_size", ctypes.c_int64),
        ("bits", ctypes.c_int32),
        ("scale_type", ctypes.c_int32),
        ("plane_rows", ctypes.POINTER(ctypes.c_int64)),
        ("tiles", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("offset", ctypes.c_void_p),
        ("row_order", ctypes.c_void_p),
        ("row_place", ctypes.c_void_p),
    )


def library_path() -> Path | None:
    """BCQ_CUDA_LIBRARY, or what `make gpu-check` or `make native` built, or None."""
    places = [ROOT / "build/gpu/libbcq_cuda.so", ROOT / "bcq_tf/_native/libbcq_cuda.so"]
    if "BCQ_CUDA_LIBRARY" in os.environ:
        places = [Path(os.environ["BCQ_CUDA_LIBRARY"])]
    return next((place for place in places if place.exists()), None)


def load() -> ctypes.CDLL:
    """The library, with the functions' argument types.

    Raises:
        FileNotFoundError: it has not been built.
    """
    path = library_path()
    if path is None:
        raise FileNotFoundError("libbcq_cuda.so is not built: make gpu-check builds it")
    lib = ctypes.CDLL(str(path))
    p, i32, i64, m = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.POINTER(Matrix)
    lib.bcq_cuda_product_workspace.argtypes = [m, i32, i64]
    lib.bcq_cuda_product_workspace.restype = i64
    lib.bcq_cuda_product.argtypes = [m, i32, i32, p, i64, p, p, p]
    lib.bcq_cuda_product_transposed.argtypes = [m, i32, p, i64, p, p]
    lib.bcq_cuda_product_scale_gradient_workspace.argtypes = [m]
    lib.bcq_cuda_product_scale_gradient_workspace.restype = i64
    lib.bcq_cuda_product_scale_gradient.argtypes = [m, i32, p, p, i64, p, p, p, p]
    lib.bcq_cuda_gather.argtypes = [m, p, i64, i32, p, p, p]
    lib.bcq_cuda_columns.argtypes = [m, i32, p, p]
    lib.bcq_cuda_gather_scale_gradient.argtypes = [m, p, i64, i32, p, p, p, p, p]
    return lib


def tiled(codes: BinaryCodes) -> np.ndarray:
    """The planes as native/core/matrix.h lays them out, uint32 [words of all tiles]."""
    rows, words = codes.shape[0], codes.planes[0].shape[1]
    tiles = []
    for start in range(0, rows, TILE_ROWS):
        planes = [plane for plane in codes.planes if len(plane) > start]
        tile = np.zeros((words, len(planes), TILE_ROWS), np.uint32)
        for i, plane in enumerate(planes):
            part = plane[start : start + TILE_ROWS]
            tile[:, i, : len(part)] = part.T
        tiles.append(tile.ravel())
    return np.concatenate(tiles)


class CudaCodes:
    """`BinaryCodes` on the current device, and the products with them.

    Args:
        codes: what to hold.
        scale_type: torch dtype of scales and offset; None: that of `codes`.
    """

    def __init__(self, codes: BinaryCodes, scale_type: torch.dtype | None = None):
        self.lib = load()
        self.codes = codes
        rows, groups = codes.shape[0], codes.groups
        scales = np.zeros((groups, codes.bits, rows), codes.scales[0].dtype)
        for i, scale in enumerate(codes.scales):
            scales[:, i, : len(scale)] = scale.T
        self.scales = torch.from_numpy(scales).cuda()
        self.offset = None
        if codes.offset is not None:
            self.offset = torch.from_numpy(np.ascontiguousarray(codes.offset.T)).cuda()
        if scale_type is not None:
            self.scales = self.scales.to(scale_type)
            self.offset = None if self.offset is None else self.offset.to(scale_type)
        self.tiles = torch.from_numpy(tiled(codes).view(np.int32)).cuda()
        self.row_order = self.row_place = None
        if codes.row_order is not None:
            self.row_order = torch.from_numpy(codes.row_order.astype(np.int32)).cuda()
            self.row_place = torch.from_numpy(np.argsort(codes.row_order).astype(np.int32)).cuda()
        self.plane_rows = (ctypes.c_int64 * codes.bits)(*(len(p) for p in codes.planes))
        self.matrix = Matrix(
            rows,
            codes.columns,
            codes.columns if codes.group_size is None else codes.group_size,
            codes.bits,
            TYPES[self.scales.dtype],
            self.plane_rows,
            self.tiles.data_ptr(),
            self.scales.data_ptr(),
            _pointer(self.offset),
            _pointer(self.row_order),
            _pointer(self.row_place),
        )

    @property
    def nbytes(self) -> int:
        """Bytes that a product must read of the matrix."""
        parts = (self.tiles, self.scales, self.offset, self.row_order)
        return sum(part.nbytes for part in parts if part is not None)

    def weights(self) -> torch.Tensor:
        """The matrix, float32 [R, C], added up as `BinaryCodes.reconstruct` does."""
        codes, group_size = self.codes, self.matrix.group_size

        def along_row(per_group):  # [G, n] -> [n, C]
            rows = per_group.float().T.repeat_interleave(group_size, dim=1)
            return rows[:, : codes.columns]

        total = torch.zeros(codes.shape, device="cuda")
        if self.offset is not None:
            total += along_row(self.offset)
        for i, plane in enumerate(codes.planes):
            signs = torch.from_numpy(packing.unpack(plane, codes.columns)).cuda()
            scale = along_row(self.scales[:, i, : len(plane)])
            total[: len(plane)] += torch.where(signs, scale, -scale)
        if self.row_order is None:
            return total
        original = torch.empty_like(total)
        original[self.row_order.long()] = total
        return original

    def workspace(self, batch: int, precision: str) -> torch.Tensor:
        """Memory for `product`, uint8."""
        size = self.lib.bcq_cuda_product_workspace(self.matrix, PRECISIONS[precision], batch)
        return torch.empty(size, dtype=torch.uint8, device="cuda")

    def product(self, x, precision="exact", out=None, workspace=None) -> torch.Tensor:
        """x [B, C] -> [B, R], on torch's current stream."""
        if out is None:
            out = torch.full((len(x), self.matrix.rows), torch.nan, dtype=x.dtype, device="cuda")
        if workspace is None:
            workspace = self.workspace(len(x), precision)
        _check(
            self.lib.bcq_cuda_product(
                self.matrix,
                PRECISIONS[precision],
                TYPES[x.dtype],
                x.data_ptr(),
                len(x),
                out.data_ptr(),
                workspace.data_ptr(),
                _stream(),
            )
        )
        return out

    def product_transposed(self, dy) -> torch.Tensor:
        """dy [B, R] -> [B, C]."""
        dx = torch.full((len(dy), self.matrix.columns), torch.nan, dtype=dy.dtype, device="cuda")
        _check(
            self.lib.bcq_cuda_product_transposed(
                self.matrix, TYPES[dy.dtype], dy.data_ptr(), len(dy), dx.data_ptr(), _stream()
            )
        )
        return dx

    def scale_gradient(self, x, dy) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B, C], dy [B, R] -> float32 [G, q, R], [G, R]."""
        dscales, doffset = self._gradients()
        size = self.lib.bcq_cuda_product_scale_gradient_workspace(self.matrix)
        workspace = torch.empty(size, dtype=torch.uint8, device="cuda")
        _check(
            self.lib.bcq_cuda_product_scale_gradient(
                self.matrix,
                TYPES[x.dtype],
                x.data_ptr(),
                dy.data_ptr(),
                len(x),
                dscales.data_ptr(),
                doffset.data_ptr(),
                workspace.data_ptr(),
                _stream(),
            )
        )
        return dscales, doffset

    def gather(self, ids, dtype=torch.float32) -> tuple[torch.Tensor, int]:
        """ids int64 [N] -> [N, C], and the index of the first bad id or -1."""
        out = torch.full((len(ids), self.matrix.columns), -1, dtype=dtype, device="cuda")
        bad = torch.zeros(1, dtype=torch.int64, device="cuda")
        _check(
            self.lib.bcq_cuda_gather(
                self.matrix,
                ids.data_ptr(),
                len(ids),
                TYPES[dtype],
                out.data_ptr(),
                bad.data_ptr(),
                _stream(),
            )
        )
        return out, int(bad)

    def columns(self, dtype=torch.float32) -> torch.Tensor:
        """[C, R]"""
        shape = self.matrix.columns, self.matrix.rows
        out = torch.full(shape, -1, dtype=dtype, device="cuda")
        _check(self.lib.bcq_cuda_columns(self.matrix, TYPES[dtype], out.data_ptr(), _stream()))
        return out

    def gather_scale_gradient(self, ids, dout) -> tuple[torch.Tensor, torch.Tensor]:
        """ids int64 [N], dout [N, C] -> float32 [G, q, R], [G, R]."""
        dscales, doffset = self._gradients()
        bad = torch.zeros(1, dtype=torch.int64, device="cuda")
        _check(
            self.lib.bcq_cuda_gather_scale_gradient(
                self.matrix,
                ids.data_ptr(),
                len(ids),
                TYPES[dout.dtype],
                dout.data_ptr(),
                dscales.data_ptr(),
                doffset.data_ptr(),
                bad.data_ptr(),
                _stream(),
            )
        )
        return dscales, doffset

    def _gradients(self):
        groups, bits, rows = self.codes.groups, self.codes.bits, self.matrix.rows
        dscales = torch.full((groups, bits, rows), torch.nan, device="cuda")
        return dscales, torch.full((groups, rows), torch.nan, device="cuda")


def random_codes(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    bits: int,
    *,
    group_size: int | None = None,
    plane_rows: tuple[int, ...] | None = None,
    offset: bool = False,
    row_order: bool = False,
) -> BinaryCodes:
    """Codes with random signs and falling scales in float16."""
    plane_rows = plane_rows or (rows,) * bits
    words = packing.words_per_row(columns)
    groups = 1 if group_size is None else -(-columns // group_size)
    planes, scales = [], []
    for i, n in enumerate(plane_rows):
        plane = rng.integers(0, 2**32, (n, words), np.uint32)
        plane[:, -1] &= ~packing.padding_mask(columns)
        planes.append(plane)
        scales.append((rng.uniform(0.5, 1, (n, groups)) / 2**i).astype(np.float16))
    return BinaryCodes(
        tuple(planes),
        tuple(scales),
        columns,
        group_size,
        rng.normal(size=(rows, groups)).astype(np.float16) if offset else None,
        rng.permutation(rows) if row_order else None,
    )


def _pointer(tensor: torch.Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _stream() -> int:
    return torch.cuda.current_stream().cuda_stream


def _check(status: int) -> None:
    if status != OK:
        raise RuntimeError(f"bcq_cuda returned status {status}")
