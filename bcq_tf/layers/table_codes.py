"""A table [R, C] of so many bits by this method: its codes, and how a layer keeps them."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import BinaryCodes, MatrixView, UniformCodes
from bcq_tf.config import MAX_BITS, check_choice, is_integer
from bcq_tf.layers.float_weight import DTYPES, FloatTable, FloatWeight
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.layers.uniform_weight import UniformWeight
from bcq_tf.ops import Layout
from bcq_tf.solvers import quantize
from bcq_tf.solvers.checks import check_matrix
from bcq_tf.solvers.uniform.quantization import quantize_uniform

METHODS = ("uniform", "binary")


def check_method(nbit, method: str) -> int:
    """`nbit` as an int; raises ValueError unless it is 1 to 8, 16 or 32, `method` in `METHODS`."""
    if not is_integer(nbit) or not (1 <= nbit <= MAX_BITS or nbit in DTYPES):
        raise ValueError(
            f"`nbit` must be an integer from 1 to 8, 16 or 32. Received: nbit={nbit!r}"
        )
    check_choice("method", method, METHODS)
    return int(nbit)


def table_weight(
    rows: int, columns: int, nbit: int, method: str, zero_rows: bool = False
) -> PackedWeight | TableWeight:
    """How the codes that `table_codes` makes of a table [rows, columns] are kept.

    zero_rows: whether there are rows of zeros.
    """
    if nbit in DTYPES:
        return FloatWeight(rows, columns, nbit)
    if method == "uniform":
        return UniformWeight(rows, columns, nbit, zero_rows)
    layout = Layout(rows, columns, columns, (rows,) * nbit)
    return PackedWeight(MatrixView((rows, columns), (0,), (1,)), layout)


def table_codes(matrix, nbit: int, method: str) -> BinaryCodes | UniformCodes | FloatTable:
    """The codes of a table.

    Args:
        matrix: float [R, C], finite.
        nbit: 1 to 8; 16 or 32 for floats, whatever the method.
        method: "uniform", see `bcq_tf.embeddings.quantize_uniform`; or "binary", see
            `bcq_tf.quantize`.

    Raises:
        ValueError, TypeError: an argument breaks its rule, or float16 cannot hold the values.
    """
    if nbit in DTYPES:
        return _float_table(matrix, DTYPES[nbit])
    return quantize_uniform(matrix, nbit) if method == "uniform" else quantize(matrix, nbit)


def _float_table(matrix, dtype: str) -> FloatTable:
    with np.errstate(over="ignore"):
        values = check_matrix(matrix).astype(dtype)
    if not np.isfinite(values).all():
        raise ValueError(
            f"`matrix` must be in the range of {dtype} for {8 * values.itemsize} bits. "
            f"Received: {np.count_nonzero(~np.isfinite(values))} values that are not"
        )
    return FloatTable(values)


def without_row(codes: BinaryCodes | UniformCodes, row: int) -> BinaryCodes | UniformCodes:
    """The codes with zeros in a row."""
    if isinstance(codes, UniformCodes):
        return _marked(codes, row)
    stored = row if codes.row_order is None else int(np.flatnonzero(codes.row_order == row)[0])
    scales = tuple(_zeroed(scale, stored) for scale in codes.scales)
    offset = None if codes.offset is None else _zeroed(codes.offset, stored)
    return BinaryCodes(
        codes.planes, scales, codes.columns, codes.group_size, offset, codes.row_order
    )


def _marked(codes: UniformCodes, row: int) -> UniformCodes:
    marks = np.zeros(codes.shape[0], np.uint8)
    if codes.zero_rows is not None:
        marks = np.unpackbits(codes.zero_rows, count=codes.shape[0], bitorder="little")
    marks[row] = 1
    marked = np.packbits(marks, bitorder="little")
    return UniformCodes(codes.packed, codes.limit, codes.bits, codes.columns, marked)


def _zeroed(per_row: np.ndarray, stored: int) -> np.ndarray:
    copy = np.array(per_row)
    copy[stored : stored + 1] = 0  # a plane may end before the row
    return copy
