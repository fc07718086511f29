"""What float32 holds: codes stand for float32 matrices, whatever dtype their parts have."""

from __future__ import annotations

import numpy as np

FLOAT32_MAX = float(np.finfo(np.float32).max)
LARGEST_SUM = FLOAT32_MAX * (1 - 2**-20)  # of numbers that are added in float32, which rounds


def largest_magnitude(array: np.ndarray) -> float:
    """The largest |number| of an array; NaN where it holds one, 0 where it is empty."""
    return float(np.maximum(array.max(), -array.min())) if array.size else 0.0


def check_in_float32(name: str, array: np.ndarray) -> None:
    """Raises ValueError unless all of an array is finite, also as float32."""
    largest = largest_magnitude(array)
    if not np.isfinite(largest):
        raise ValueError(f"`{name}` must be finite. Received: NaN or Inf")
    if largest > FLOAT32_MAX:
        raise ValueError(f"`{name}` must be finite in float32. Received: {largest:.6g}")
