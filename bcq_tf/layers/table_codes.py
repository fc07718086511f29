"""A table [R, C] of so many bits by this method: its codes, and how a layer keeps them."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import CodedMatrix
from bcq_tf.config import MAX_BITS, check_choice, is_integer
from bcq_tf.layers.kinds.binary import BinaryWeight
from bcq_tf.layers.kinds.coded_weight import CodedWeight, table_view
from bcq_tf.layers.kinds.floats import DTYPES, FloatTable, FloatWeight
from bcq_tf.layers.kinds.uniform import UniformWeight
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
) -> CodedWeight:
    """How the codes that `table_codes` makes of a table [rows, columns] are kept.

    zero_rows: whether there are rows of zeros.
    """
    view = table_view((rows, columns))
    if nbit in DTYPES:
        return FloatWeight(view, nbit)
    if method == "uniform":
        return UniformWeight(view, nbit, zero_rows)
    return BinaryWeight(view, columns, (rows,) * nbit)


def table_codes(matrix, nbit: int, method: str) -> CodedMatrix:
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
        return _float_table(matrix, nbit)
    return quantize_uniform(matrix, nbit) if method == "uniform" else quantize(matrix, nbit)


def _float_table(matrix, nbit: int) -> FloatTable:
    with np.errstate(over="ignore"):
        values = check_matrix(matrix).astype(DTYPES[nbit])
    if not np.isfinite(values).all():
        raise ValueError(
            f"`matrix` must be in the range of {values.dtype} for {nbit} bits. "
            f"Received: {np.count_nonzero(~np.isfinite(values))} values that are not"
        )
    return FloatTable(values)
