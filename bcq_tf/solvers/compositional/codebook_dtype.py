"""Codebooks in the dtype in which they are kept."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.checks import check_range


def stored_codebooks(codebooks: np.ndarray, dtype: str, matrix: np.ndarray) -> np.ndarray:
    """Codebooks of `matrix` in `dtype`; raises ValueError where it cannot hold them."""
    with np.errstate(over="ignore"):  # to Inf, which the check finds
        stored = codebooks.astype(dtype)
    check_range(stored, matrix, "dtype", "codebooks")
    return stored
