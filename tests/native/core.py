"""The compiled core by ctypes, and random matrices of binary codes with their float64 values."""

import ctypes
import dataclasses
import itertools
import os
import shutil
import threading

import ml_dtypes
import numpy as np

from bcq_tf import native
from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.packing import pack
from bcq_tf.runtime.core import Matrix

EXACT, FAST = 0, 1
TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(ml_dtypes.bfloat16): 2}
OK, BAD_ARGUMENT, BAD_ID = 0, 1, 2


TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, TASK, ctypes.c_void_p)


class Parallel(ctypes.Structure):
    """bcq_parallel of native/core/parallel.h."""

    _fields_ = (("run", RUN), ("context", ctypes.c_void_p), ("threads", ctypes.c_int32))


def compiled_isas():
    """The instruction sets of the core as it was built; none where it was not."""
    path = native.FOLDER / f"lib{native.CORE}.so"
    return native.isas_of(ctypes.CDLL(str(path))) if path.exists() else []


def load(isa, folder):
    """A copy of the core of its own, which runs with the instruction set `isa`; None: not here."""
    path = shutil.copy(native.FOLDER / f"lib{native.CORE}.so", folder / f"{isa}.so")
    library = ctypes.CDLL(str(path))
    before = os.environ.get("BCQ_TF_ISA")
    os.environ["BCQ_TF_ISA"] = isa
    try:
        chosen = native.isa_of(library)
    finally:
        del os.environ["BCQ_TF_ISA"]
        if before is not None:
            os.environ["BCQ_TF_ISA"] = before
    return library if chosen == isa else None


def parallel(threads=1):
    """Calls each task on `threads` ranges, all at once; the calling thread alone where 1."""
    if threads == 1:
        return Parallel(RUN(), None, 1)

    def run(context, items, nanoseconds, task, argument):
        bounds = [items * i // threads for i in range(threads + 1)]
        parts = [
            threading.Thread(target=task, args=(argument, begin, end))
            for begin, end in itertools.pairwise(bounds)
            if begin < end
        ]
        for part in reversed(parts):
            part.start()
        for part in parts:
            part.join()

    return Parallel(RUN(run), None, threads)


@dataclasses.dataclass
class Packed:
    """Codes as the core takes them; keeps the arrays that `matrix` points to."""

    codes: BinaryCodes
    matrix: Matrix
    arrays: dict

    @classmethod
    def of(cls, codes):
        rows, columns = codes.shape
        plane_rows = np.array([len(p) for p in codes.planes], np.int64)
        dtype = codes.scales[0].dtype
        scales = np.zeros((codes.groups, codes.bits, rows), dtype)
        for i, scale in enumerate(codes.scales):
            scales[:, i, : len(scale)] = scale.T
        arrays = {"plane_rows": plane_rows, "tiles": tiles_of(codes), "scales": scales}
        if codes.offset is not None:
            arrays["offset"] = np.ascontiguousarray(codes.offset.T.astype(dtype))
        if codes.row_order is not None:
            arrays["row_order"] = codes.row_order.astype(np.int32)
            arrays["row_place"] = np.argsort(codes.row_order).astype(np.int32)
        matrix = Matrix(
            rows,
            columns,
            columns if codes.group_size is None else codes.group_size,
            codes.bits,
            TYPES[dtype],
            **{name: pointer(array).value for name, array in arrays.items()},
        )
        return cls(codes, matrix, arrays)

    def weights(self):
        """The matrix in float64, of the scales as they are stored."""
        result = np.zeros(self.codes.shape)
        groups = np.arange(self.codes.columns) // self.matrix.group_size
        if self.codes.offset is not None:
            result += self.arrays["offset"].T[:, groups].astype(np.float64)
        for i, signs in enumerate(self.codes.signs()):
            scale = self.arrays["scales"][groups, i, : len(signs)].T.astype(np.float64)
            result[: len(signs)] += scale * signs
        return self._original(result)

    def magnitudes(self):
        """The sum of a weight's scales, float64 [R, G]."""
        return self._original(np.abs(self.arrays["scales"].astype(np.float64)).sum(1).T)

    def _original(self, stored):
        if self.codes.row_order is None:
            return stored
        result = np.empty_like(stored)
        result[self.codes.row_order] = stored
        return result


def tiles_of(codes):
    """The words of the planes where native/core/matrix.h says."""
    tiles = []
    for first in range(0, codes.shape[0], 64):
        planes = [plane[first : first + 64] for plane in codes.planes if len(plane) > first]
        full = [np.pad(plane, ((0, 64 - len(plane)), (0, 0))) for plane in planes]
        tiles.append(np.stack(full).transpose(2, 0, 1).ravel())  # [words, planes, 64]
    return np.concatenate(tiles)


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def random_codes(rng, rows, columns, bits, group=None, offset=False, ragged=False,
                 dtype=np.float16):  # fmt: skip
    """Codes of random signs and of scales that are about 2^-i for plane i."""
    counts = np.full(bits, rows)
    if ragged:
        counts = -np.sort(-rng.integers(1, rows + 1, bits))
        counts[0] = rows
    groups = 1 if group is None else -(-columns // group)
    scales = tuple(
        (rng.uniform(0.5, 1, (n, groups)) * 0.5**i).astype(dtype) for i, n in enumerate(counts)
    )
    planes = tuple(pack(rng.random((n, columns)) < 0.5) for n in counts)
    return BinaryCodes(
        planes,
        scales,
        columns,
        group,
        rng.normal(size=(rows, groups)).astype(dtype) if offset else None,
        rng.permutation(rows) if ragged else None,
    )


def product(library, packed, x, precision=EXACT, threads=1):
    """y of bcq_product."""
    y = np.full((len(x), packed.codes.shape[0]), np.nan, x.dtype)
    x = np.ascontiguousarray(x)
    status = library.bcq_product(
        ctypes.byref(packed.matrix), precision, TYPES[x.dtype], pointer(x),
        ctypes.c_int64(len(x)), pointer(y), parallel(threads),
    )  # fmt: skip
    assert status == OK, status
    return y


def product_transposed(library, packed, dy, threads=1):
    """dx of bcq_product_transposed."""
    dx = np.full((len(dy), packed.codes.shape[1]), np.nan, dy.dtype)
    status = library.bcq_product_transposed(
        ctypes.byref(packed.matrix), TYPES[dy.dtype], pointer(dy),
        ctypes.c_int64(len(dy)), pointer(dx), parallel(threads),
    )  # fmt: skip
    assert status == OK, status
    return dx


def product_scale_gradient(library, packed, x, dy, threads=1):
    """(dscales [G, bits, R], doffset [G, R]) of bcq_product_scale_gradient."""
    dscales, doffset = _gradients(packed)
    status = library.bcq_product_scale_gradient(
        ctypes.byref(packed.matrix), TYPES[x.dtype], pointer(x), pointer(dy),
        ctypes.c_int64(len(x)), pointer(dscales), pointer(doffset), parallel(threads),
    )  # fmt: skip
    assert status == OK, status
    return dscales, doffset


def gather(library, packed, ids, dtype=np.float32, threads=1):
    """Rows of bcq_gather."""
    ids, bad = np.asarray(ids, np.int64), ctypes.c_int64()
    rows = np.full((len(ids), packed.codes.shape[1]), np.nan, dtype)
    status = library.bcq_gather(
        ctypes.byref(packed.matrix), pointer(ids), ctypes.c_int64(len(ids)),
        TYPES[rows.dtype], pointer(rows), ctypes.byref(bad), parallel(threads),
    )  # fmt: skip
    assert status == OK, status
    return rows


def columns(library, packed, dtype=np.float32, threads=1):
    """What bcq_columns makes."""
    out = np.full(packed.codes.shape[::-1], np.nan, dtype)
    status = library.bcq_columns(
        ctypes.byref(packed.matrix), TYPES[out.dtype], pointer(out), parallel(threads)
    )
    assert status == OK, status
    return out


def gather_scale_gradient(library, packed, ids, dout, threads=1):
    """(dscales [G, bits, R], doffset [G, R]) of bcq_gather_scale_gradient."""
    dscales, doffset = _gradients(packed)
    ids, bad = np.asarray(ids, np.int64), ctypes.c_int64()
    status = library.bcq_gather_scale_gradient(
        ctypes.byref(packed.matrix), pointer(ids), ctypes.c_int64(len(ids)), TYPES[dout.dtype],
        pointer(dout), pointer(dscales), pointer(doffset), ctypes.byref(bad), parallel(threads),
    )  # fmt: skip
    assert status == OK, status
    return dscales, doffset


def _gradients(packed):
    """Room for those of the scales and of the offset."""
    codes = packed.codes
    shape = (codes.groups, codes.bits, codes.shape[0])
    return np.full(shape, np.nan, np.float32), np.full(shape[::2], np.nan, np.float32)


def scale_gradients(packed, dweights):
    """The gradients of scales and offset from that of the weights, float64 [R, C] -> as above."""
    codes = packed.codes
    if codes.row_order is not None:
        dweights = dweights[codes.row_order]
    starts = np.arange(0, codes.columns, packed.matrix.group_size)
    dscales = np.zeros((codes.groups, codes.bits, codes.shape[0]))
    for i, signs in enumerate(codes.signs()):
        covered = len(signs)
        dscales[:, i, :covered] = np.add.reduceat(signs * dweights[:covered], starts, axis=1).T
    return dscales, np.add.reduceat(dweights, starts, axis=1).T
