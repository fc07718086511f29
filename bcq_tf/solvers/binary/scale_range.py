"""Scales within the range of the dtype that stores them."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import AUTO, BCQConfig
from bcq_tf.solvers import checks

HALF_NORMAL = float(np.finfo(np.float16).smallest_normal)
# Where all weights stay this far below the largest number of a dtype, so do their scales.
MARGIN = 8
# The mean magnitude of weights over that of their largest scales: from 1 / 64 (heavy tails) to 8
# where the scales were solved for such weights.
LEAST_OF_SCALE, MOST_OF_SCALE = 1 / 64, 8


def solve_in_range(solve, matrix, importance, start, config: BCQConfig, effort: str):
    """Solves a matrix with scales of a dtype that holds them.

    Args:
        solve: (matrix, importance, start, config, effort) -> (params [m, R, G] in the config's
            scale dtype, Inf where that cannot hold them; planes).
        matrix, importance, start, config, effort: see `bcq_tf.solvers.quantize`.

    Returns:
        (params, planes), as `solve`; with "auto", of float16 where that holds the scales.

    Raises:
        ValueError: the dtype cannot hold the scales.
    """
    largest = largest_magnitude(matrix)

    def solved(dtype: str):
        typed = dataclasses.replace(config, scale_dtype=dtype)
        if start is not None and largest > SCALE_DTYPES[dtype].max / MARGIN:
            # Beside new scales that are Inf the start's would pass for the best.
            cold = solve(matrix, importance, None, typed, "low" if effort == "warm" else effort)
            if not np.isfinite(cold[0]).all():
                return cold
        return solve(matrix, importance, start, typed, effort)

    if config.scale_dtype != AUTO:
        found = solved(config.scale_dtype)
        checks.check_range(found[0], matrix, config.scale_dtype)
        return found
    if largest == 0 or largest >= HALF_NORMAL:
        found = solved("float16")
        if largest == 0 or _is_normal(found[0]):
            return found
    found = solved("float32")
    checks.check_finite_sums(found[0], matrix, "float32")
    return found


def is_far(matrix: np.ndarray, start: BinaryCodes) -> bool:
    """Whether the weights have quite another magnitude than those that `start` was solved for.

    A few rounds from there would end where most planes are of no use.
    """
    magnitude = sum(np.abs(part).sum(dtype=np.float64) for part in checks.parts(matrix))
    reach = sum(
        np.abs(param).mean(dtype=np.float64)
        for param in (start.scales[0], start.offset)
        if param is not None
    )
    return not LEAST_OF_SCALE * reach <= magnitude / matrix.size <= MOST_OF_SCALE * reach


def _is_normal(params: np.ndarray) -> bool:
    # float16 that are all finite, the largest of full precision.
    return HALF_NORMAL <= float(np.abs(params).max()) < np.inf
