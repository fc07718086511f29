"""Rules for the arguments of `quantize`; every error is one line that names the argument."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.float_range import LARGEST_SUM, largest_magnitude
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import BCQConfig
from bcq_tf.solvers.rows import rows_bits

# A matrix whose largest scale has fewer steps of the dtype's resolution than this is refused: a
# scale would be off by 3% or more.
SUBNORMAL_STEPS = 16
SYMMETRY = 1e-4  # of the largest moment: that of sums in float32
PART = 1 << 16  # weights that are checked at a time
EFFORTS = ("full", "low", "warm")


class NotFiniteError(ValueError):
    """An array holds NaN or Inf."""


def check_matrix(matrix) -> np.ndarray:
    """Returns `matrix` as a finite, non-empty float array [R, C]; float16 to float64 stay."""
    matrix = _as_float("matrix", matrix)
    if matrix.ndim != 2:
        raise ValueError(f"`matrix` must have rank 2. Received: shape={list(matrix.shape)}")
    if matrix.size == 0:
        raise ValueError(f"`matrix` must not be empty. Received: shape={list(matrix.shape)}")
    _check_finite("matrix", matrix)
    return matrix


def check_importance(importance, matrix: np.ndarray) -> np.ndarray | None:
    """Returns `importance` as a non-negative float array of the matrix's shape, or None."""
    if importance is None:
        return None
    importance = _as_float("importance", importance)
    if importance.shape != matrix.shape:
        raise ValueError(
            f"`importance` must have the shape of `matrix`, {list(matrix.shape)}. "
            f"Received: shape={list(importance.shape)}"
        )
    _check_finite("importance", importance)
    negative = sum(np.count_nonzero(part < 0) for part in parts(importance))
    if negative:
        raise ValueError(f"`importance` must be non-negative. Received: {negative} negative values")
    return importance


def check_moments(moments, matrix: np.ndarray) -> np.ndarray:
    """Returns `moments` as a finite, symmetric float array [C, C]."""
    moments = _as_float("moments", moments)
    wanted = [matrix.shape[1]] * 2
    if list(moments.shape) != wanted:
        raise ValueError(
            f"`moments` must be {wanted}, of the columns of `matrix`. "
            f"Received: shape={list(moments.shape)}"
        )
    _check_finite("moments", moments)
    asymmetry = np.abs(moments - moments.T).max()
    if asymmetry > SYMMETRY * np.abs(moments).max():
        raise ValueError(
            f"`moments` must be symmetric. Received: entries that differ by {asymmetry:.3g}"
        )
    return moments


def check_alone(name: str, config: BCQConfig, **others) -> None:
    """Raises where `name` is given beside one of `others`, or for another solver."""
    if config.solver != "alternating":
        raise ValueError(
            f"`{name}` needs the alternating solver. Received: solver={config.solver!r}"
        )
    for other, value in others.items():
        if value is not None:
            raise ValueError(f"`{name}` must be given without `{other}`. Received: both")


def check_effort(effort, start) -> None:
    """Raises unless `effort` is one of `EFFORTS`; "warm" needs a start."""
    if effort not in EFFORTS:
        raise ValueError(f"`effort` must be one of {list(EFFORTS)}. Received: effort={effort!r}")
    if effort == "warm" and start is None:
        raise ValueError("`effort`='warm' needs `start`, the codes to go on from. Received: None")


def check_start(start, matrix: np.ndarray, config: BCQConfig) -> None:
    """Raises unless `start` is codes of the layout that `config` says."""
    if start is None:
        return
    check_same_shape("start", start, matrix)
    layout = "bits={}, group_size={}, offset={}".format
    wanted = layout(config.bits, config.group_size, config.offset)
    received = layout(start.bits, start.group_size, start.offset is not None)
    if received != wanted:
        raise ValueError(f"`start` must have {wanted}. Received: {received}")
    row_bits = rows_bits(config) if config.row_bits else config.bits
    if not np.all(start.row_bits == row_bits):
        rule = "the rows' bits of `config`" if config.row_bits else "the same bits in all rows"
        raise ValueError(f"`start` must have {rule}. Received: ragged codes")


def check_same_shape(name: str, codes, matrix: np.ndarray) -> None:
    """Raises unless `codes` is a BinaryCodes of the matrix's shape."""
    if not isinstance(codes, BinaryCodes):
        raise TypeError(f"`{name}` must be a BinaryCodes. Received: {type(codes).__name__}")
    if codes.shape != matrix.shape:
        raise ValueError(
            f"`{name}` must have the shape of `matrix`, {list(matrix.shape)}. "
            f"Received: shape={list(codes.shape)}"
        )


def check_range(
    params: np.ndarray,
    matrix: np.ndarray,
    dtype: str,
    argument: str = "scale_dtype",
    what: str = "scales",
) -> None:
    """Raises unless `dtype` holds the params: all finite, and not all next to zero.

    argument, what: for the message, the argument that chose the dtype and what the params are.
    """
    check_finite_sums(params, matrix, dtype, argument, what)
    step, steps = SCALE_DTYPES[dtype].step, min(SUBNORMAL_STEPS, 2 ** SCALE_DTYPES[dtype].mantissa)
    if np.abs(params).max() < steps * step and matrix.any():
        raise _range_error(dtype, matrix, argument, f"resolve {what} to {step:.6g}")


def check_finite_sums(
    params: np.ndarray,
    matrix: np.ndarray,
    dtype: str,
    argument: str = "scale_dtype",
    what: str = "scales",
) -> None:
    """Raises unless all params [m, ...] are finite, and in float32 the sums of each m of them.

    dtype, argument, what: see `check_range`.
    """
    sums = np.abs(params).sum(axis=0, dtype=np.float64)
    if not sums.max() <= LARGEST_SUM:  # NaN is not, either
        largest = SCALE_DTYPES[dtype].max
        raise _range_error(dtype, matrix, argument, f"hold {what} up to {largest:.6g}")


def _range_error(dtype: str, matrix, argument: str, limit: str) -> ValueError:
    return ValueError(
        f"`{argument}`={dtype!r} can {limit} only. "
        f"Received: a matrix with magnitudes up to {largest_magnitude(matrix):.6g}"
    )


def parts(array: np.ndarray):
    """Some rows of an array at a time: what is formed of them stays in a core's cache."""
    step = max(1, PART // array.shape[1])
    return (array[begin : begin + step] for begin in range(0, len(array), step))


def _as_float(name: str, array) -> np.ndarray:
    try:
        array = np.asarray(array)
    except (TypeError, ValueError):
        raise TypeError(
            f"`{name}` must be an array of numbers. Received: {type(array).__name__}"
        ) from None
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array
    # bfloat16 and its like come from ml_dtypes, which NumPy knows as custom dtypes.
    if array.dtype.kind in "fV" and "float" in array.dtype.name:
        return array.astype(np.float32 if array.dtype.kind == "V" else np.float64)
    raise TypeError(f"`{name}` must hold real numbers. Received: dtype={array.dtype}")


def _check_finite(name: str, array: np.ndarray) -> None:
    finite = sum(np.count_nonzero(np.isfinite(part)) for part in parts(array))
    if finite != array.size:
        raise NotFiniteError(
            f"`{name}` must be finite. Received: {array.size - finite} NaN or Inf "
            f"of {array.size} values"
        )
