"""The product of a layer: from the codes, or for many rows of x with the matrix made for it.

A product from the codes takes a time for each row of x; making the matrix takes one whatever the
batch is, and then a row costs what it costs a float layer. So from some number of rows on the
matrix is quicker, where the processor is one that looks up few signs at once.
"""

from __future__ import annotations

import dataclasses
import functools

import tensorflow as tf

from bcq_tf import native
from bcq_tf.codes.layout import Layout
from bcq_tf.ops import binary
from bcq_tf.ops.engine import has_gpu
from bcq_tf.ops.portable import dimensions, flat, unflat
from bcq_tf.ops.tiled_codes import TiledCodes

MOST_WEIGHTS = 1 << 24
"""Larger matrices are never made: their floats would take more than 64 MiB."""

LEAST_WEIGHTS = 1 << 16
"""Of smaller matrices floats are as quick where rows are many."""


@dataclasses.dataclass(frozen=True)
class _Times:
    """Nanoseconds of a thread: of a sign in a product, by precision, and to make a weight."""

    exact: float
    fast: float
    made: float


# Measured on processors of each kind; with AVX-512 the codes are as quick for any number of rows.
_TIMES = {"avx2": _Times(0.044, 0.0265, 1.3), "portable": _Times(0.14, 0.2, 1.9)}
_FLOAT = 0.065  # of a float32 product, a weight


def product(x, codes: TiledCodes, precision: str):
    """x [..., C] -> x W^T [..., R], as `bcq_matmul`, or for more than `most_rows` rows of x the
    float32 product."""
    most, rows = most_rows(codes.layout, precision), x.shape[:-1].num_elements()
    if most is None or (rows is not None and rows <= most):
        return binary.bcq_matmul(x, codes, precision)
    if rows is not None:
        return _float_product(x, codes)
    return tf.cond(
        tf.size(x, tf.int64) > most * codes.layout.columns,
        lambda: _float_product(x, codes),
        lambda: binary.bcq_matmul(x, codes, precision),
    )


def most_rows(layout: Layout, precision: str) -> int | None:
    """Up to how many rows of x the codes are multiplied as they are; None for any number."""
    times = _times()
    if times is None or not binary.product.is_compiled:
        return None
    if layout.rows * layout.columns > MOST_WEIGHTS:
        return None
    bits = sum(layout.plane_rows) / layout.rows
    slower = bits * getattr(times, precision) - _FLOAT
    return int(times.made / slower) if slower > 0 else None


def always_gain(layout: Layout) -> bool:
    """Whether the codes are quicker than floats for any number of rows, as with AMX."""
    large = layout.rows * layout.columns >= LEAST_WEIGHTS
    return large and binary.product.is_compiled and not has_gpu() and _isa() == "amx"


@functools.cache
def _isa() -> str | None:
    core = native.core()
    return None if core is None else native.isa_of(core)


@functools.cache
def _times() -> _Times | None:
    return None if has_gpu() else _TIMES.get(_isa())


def _float_product(x, codes: TiledCodes):
    layout = codes.layout
    y = tf.matmul(flat(x, layout.columns), binary.bcq_columns(codes))
    return unflat(tf.cast(y, x.dtype), layout.rows, dimensions(x)[:-1])
