"""Uniform quantization: equally spaced levels within the best clipping limit."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.block import Block
from bcq_tf.solvers.binary.levels import nearest_codes

TOLERANCE = 1e-3  # relative, of the clipping limit
BRACKETS = 16  # limits tried before the golden-section search, which needs one minimum
GOLDEN = (np.sqrt(5) - 1) / 2


def solve(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """2^b equally spaced levels from z - limit to z + limit, each row with its best limit.

    As in May et al. 2019, "On the downstream performance of compressed word embeddings", the limit
    is found by golden-section search. Level spacing 2 s gives the scales s 2^(b-1), ..., 2 s, s.
    Without an offset z = 0; with one, z is the best of the row's mean, median and mid-range.

    Returns:
        (params float64 [m, n], rounded; codes uint8 [n, C]).
    """
    params = block.rounded(best_params(block))
    return params, nearest_codes(block.values, params, block.offset)


def best_params(block: Block) -> np.ndarray:
    """The params [m, n] of the best limits, before they are rounded."""
    best_error = np.full(len(block.values), np.inf)
    best = np.zeros((2, len(block.values)))
    for center in _centers(block):
        limit, error = _best_limit(block.values - center[:, None], block.weights, block.bits)
        better = error < best_error
        best[:, better] = center[better], limit[better]
        best_error[better] = error[better]
    center, limit = best
    half_spacing = limit / ((1 << block.bits) - 1)
    scales = half_spacing * (1 << np.arange(block.bits))[::-1, None]
    return np.concatenate([center[None], scales]) if block.offset else scales


def _centers(block: Block) -> list[np.ndarray]:
    values = block.values
    if not block.offset:
        return [np.zeros(len(values))]
    middle = (values.min(axis=1) + values.max(axis=1)) / 2
    return [values.mean(axis=1), np.median(values, axis=1), middle]


def _best_limit(values: np.ndarray, weights: np.ndarray | None, bits: int):
    # (limit [n], error [n]) of the best clipping limit of each row.
    magnitudes = np.abs(values)
    largest = magnitudes.max(axis=1)

    def error(limit):
        return clipping_error(magnitudes, weights, limit, bits)

    grid = [error(largest * (i / BRACKETS)) for i in range(1, BRACKETS + 1)]
    best = np.argmin(grid, axis=0) + 1
    return golden_section(error, largest * (best - 1) / BRACKETS, largest * (best + 1) / BRACKETS)


def golden_section(error, low: np.ndarray, high: np.ndarray):
    """The minimum of `error`, [n] -> [n], in each of the intervals from `low` to `high` [n].

    Found to `TOLERANCE` of the interval, where the error has one minimum there: (place, error) [n].
    """
    # One evaluation a step, in all intervals at once: they share the number of steps.
    steps = int(np.ceil(np.log(TOLERANCE) / np.log(GOLDEN)))
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    error_left, error_right = error(left), error(right)
    for _ in range(steps):
        go_left = error_left <= error_right
        low, high = np.where(go_left, low, left), np.where(go_left, right, high)
        probe = np.where(go_left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        found = error(probe)
        left, right = np.where(go_left, probe, right), np.where(go_left, left, probe)
        error_left, error_right = (
            np.where(go_left, found, error_right),
            np.where(go_left, error_left, found),
        )
    take_left = error_left <= error_right
    return np.where(take_left, left, right), np.where(take_left, error_left, error_right)


def clipping_error(magnitudes, weights, limit: np.ndarray, bits: int) -> np.ndarray:
    """Squared error [n] of `magnitudes` [n, C] on the levels +-s, +-3 s, ... up to `limit` [n]."""
    step = 2 * limit[:, None] / ((1 << bits) - 1)
    scaled = magnitudes / np.where(step > 0, step, 1)
    level = np.minimum(np.floor(scaled), (1 << (bits - 1)) - 1)
    difference = (level + 0.5) * step - magnitudes
    difference *= difference
    if weights is not None:
        difference *= weights
    return difference.sum(axis=1)
