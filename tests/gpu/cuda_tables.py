"""The embedding tables of `native/cuda/embedding.h` by ctypes, with torch tensors."""

from __future__ import annotations

import ctypes

import torch

from tests.gpu import cuda_codes
from tests.gpu.cuda_codes import TYPES


class TablesStruct(ctypes.Structure):
    """bcq_tables of native/core/embedding/embedding.h."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("sizes", ctypes.POINTER(ctypes.c_int64)),
        ("dims", ctypes.POINTER(ctypes.c_int64)),
    )


class Ids(ctypes.Structure):
    """bcq_ids of the same header."""

    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_int32))


class CudaTables:
    """Tables of these sizes: rows of them, and gradients.

    Args:
        sizes: rows of each table.
        dims: columns of each.
    """

    def __init__(self, sizes, dims):
        self.sizes, self.dims = tuple(sizes), tuple(dims)
        self.lib = cuda_codes.load()
        p, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
        t = ctypes.POINTER(TablesStruct)
        self.lib.bcq_cuda_tables_gather.argtypes = [t, i32, p, Ids, i64, p, p]
        self.lib.bcq_cuda_tables_gradient_workspace.argtypes = [t, i32, i64, i32]
        self.lib.bcq_cuda_tables_gradient_workspace.restype = i64
        self.lib.bcq_cuda_tables_gradient.argtypes = [t, i32, Ids, i64, p, p, i32, p, p]
        numbers = ctypes.c_int64 * len(self.sizes)
        self._arrays = numbers(*self.sizes), numbers(*self.dims)
        self._struct = TablesStruct(len(self.sizes), *self._arrays)

    @property
    def elements(self) -> int:
        """Numbers in all tables."""
        return sum(size * dim for size, dim in zip(self.sizes, self.dims, strict=True))

    def gather(self, table, ids) -> torch.Tensor:
        """table [elements], ids int32 or int64 [N, tables] -> [N, columns]."""
        out = torch.full((len(ids), sum(self.dims)), -1, dtype=table.dtype, device="cuda")
        status = self.lib.bcq_cuda_tables_gather(
            self._struct,
            TYPES[table.dtype],
            table.data_ptr(),
            _ids(ids),
            len(ids),
            out.data_ptr(),
            _stream(),
        )
        assert status == cuda_codes.OK
        return out

    def gradient(self, ids, dout, deterministic=True, workspace=None) -> torch.Tensor:
        """ids [N, tables], dout [N, columns] -> [elements]."""
        dtable = torch.full((self.elements,), torch.nan, dtype=dout.dtype, device="cuda")
        if workspace is None:
            workspace = self.workspace(len(ids), dout.dtype, deterministic)
        status = self.lib.bcq_cuda_tables_gradient(
            self._struct,
            TYPES[dout.dtype],
            _ids(ids),
            len(ids),
            dout.data_ptr(),
            dtable.data_ptr(),
            deterministic,
            workspace.data_ptr(),
            _stream(),
        )
        assert status == cuda_codes.OK
        return dtable

    def workspace(self, batch, dtype, deterministic=True) -> torch.Tensor:
        """Memory for `gradient`, uint8."""
        size = self.lib.bcq_cuda_tables_gradient_workspace(
            self._struct, TYPES[dtype], batch, deterministic
        )
        return torch.empty(max(size, 1), dtype=torch.uint8, device="cuda")


def _ids(ids: torch.Tensor) -> Ids:
    return Ids(ids.data_ptr(), ids.element_size())


def _stream() -> int:
    return torch.cuda.current_stream().cuda_stream
