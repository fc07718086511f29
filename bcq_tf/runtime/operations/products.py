"""Products of arrays, and of arrays with weights from their codes."""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import operation


@operation("matmul")
def matmul(a, b, *, transpose_a: bool = False, transpose_b: bool = False):
    """a b, for each of the leading axes; either may be transposed."""
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    return np.matmul(a, b)


@operation("einsum")
def einsum(*factors, equation: str):
    """Einstein's summation; NumPy's path is by products of matrices."""
    return np.einsum(equation, *factors, optimize=True)


@operation("product")
def product(x, weight, *, precision: str):
    """x W^T of a weight [R, C]: x [..., C] -> [..., R]."""
    return weight.matmul(x, precision)


@operation("rows")
def rows(ids, weight, *, dtype: str):
    """Rows of a weight [R, C]: [..., C]."""
    return weight[ids].astype(dtype, copy=False)


@operation("columns")
def columns(weight, *, dtype: str):
    """A whole weight [R, C], transposed."""
    return np.ascontiguousarray(weight.reconstruct().T).astype(dtype, copy=False)
