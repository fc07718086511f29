"""Every weight takes its nearest level."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.binary_search import count_below
from bcq_tf.solvers.binary.levels import pattern_codes, thresholds_and_patterns


def nearest_codes(values: np.ndarray, params: np.ndarray, offset: bool) -> np.ndarray:
    """The signs of the nearest level of each weight.

    Args:
        values: float64 [n, C].
        params: float64 [m, n], see `levels`.
        offset: whether params[0] is an offset.

    Returns:
        uint8 [n, C]; bit i is 1 where plane i has +1.
    """
    bits = len(params) - offset
    thresholds, patterns = thresholds_and_patterns(params, offset)
    count = len(values)
    tables = np.ascontiguousarray(pattern_codes(bits, offset)[patterns.T])
    # With one column of codes more than thresholds, a padding makes one index serve both.
    padded = np.full(tables.shape, np.inf)
    padded[:, :-1] = thresholds.T
    begin = np.arange(count)[:, None] * tables.shape[1]
    queries = values if offset else np.abs(values)
    position = count_below(padded.ravel(), len(thresholds), begin, queries)
    codes = np.take(tables.ravel(), position, mode="wrap")
    if not offset:
        codes ^= (values < 0).view(np.uint8) * np.uint8((1 << bits) - 1)
    return codes
