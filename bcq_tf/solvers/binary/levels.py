"""The levels that a set of scales can reach, in order, and the nearest one of each weight.

Throughout the solvers a candidate solution is a column of `params` [m, L], L candidates at once:

- without an offset m = bits, params = (a_0, ..., a_{m-1}), and levels come in pairs +-l, so only
  magnitudes are treated: K = 2^(m-1) levels |a_0 +- a_1 +- ...|;
- with an offset m = bits + 1, params = (z, a_0, ...), and K = 2^(m-1) levels z +- a_0 +- ...

In both cases the first parameter has the sign +, and a *pattern* p of m - 1 bits tells the signs of
the others: bit i - 1 is set where parameter i is subtracted. Without an offset the value
a_0 +- a_1 ... may be negative; bit m - 1 of the pattern (the flip) then tells that the level is its
magnitude, reached with all signs turned.
"""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.binary_search import count_below


def level_values(params: np.ndarray) -> np.ndarray:
    """All K values params[0] +- params[1] +- ..., indexed by pattern: [m, L] -> [K, L]."""
    values = np.empty((1 << (len(params) - 1), params.shape[1]))
    values[0] = params[0]
    count = 1
    for scale in params[1:]:
        np.subtract(values[:count], scale, out=values[count : 2 * count])
        values[:count] += scale
        count *= 2
    return values


def thresholds_and_patterns(params: np.ndarray, offset: bool):
    """Sorts the levels.

    Args:
        params: float64 [m, L].
        offset: whether params[0] is an offset.

    Returns:
        (thresholds [K - 1, L], ascending: the middles between neighbouring levels;
        patterns int64 [K, L]: the patterns of the levels in ascending order).
    """
    shift = None
    if offset:
        # Levels counted from the lowest one, so that all are non-negative.
        reach = np.abs(params[1:]).sum(axis=0)
        shift = params[0] - reach
        params = np.concatenate([reach[None], params[1:]])
    values = level_values(params)
    keys = _make_keys(values, flips=not offset)
    keys.sort(axis=0)
    mask = 2 * len(values) - 1
    patterns = keys & mask
    keys &= ~mask
    levels = keys.view(np.float64)
    thresholds = levels[1:] + levels[:-1]
    thresholds *= 0.5
    if offset:
        thresholds += shift
    return thresholds, patterns


def pattern_codes(bits: int, offset: bool) -> np.ndarray:
    """The signs of each pattern as bits: uint8 [2^m], bit i is 1 where plane i has +1."""
    full = (1 << bits) - 1
    if offset:
        codes = full - np.arange(1 << bits)
    else:
        plain = full - 2 * np.arange(1 << (bits - 1))
        codes = np.concatenate([plain, full - plain])
    return codes.astype(np.uint8)


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
    in_order = np.ascontiguousarray(pattern_codes(bits, offset)[patterns.T])
    # With one column of codes more than thresholds, a padding makes one index serve both.
    padded = np.full(in_order.shape, np.inf)
    padded[:, :-1] = thresholds.T
    begin = np.arange(count)[:, None] * in_order.shape[1]
    queries = values if offset else np.abs(values)
    position = count_below(padded.ravel(), len(thresholds), begin, queries)
    codes = np.take(in_order.ravel(), position, mode="wrap")
    if not offset:
        codes ^= (values < 0).view(np.uint8) * np.uint8((1 << bits) - 1)
    return codes


def _make_keys(values: np.ndarray, flips: bool) -> np.ndarray:
    # The bits of a non-negative float64, read as an integer, keep its order. The lowest mantissa
    # bits make room for the pattern, which so travels through the sort: a relative error of
    # 2^(m - 52) in the levels.
    count = len(values)
    negative = values < 0 if flips else None
    keys = np.abs(values, out=values).view(np.int64)
    keys &= ~(2 * count - 1)
    keys |= np.arange(count)[:, None]
    if flips:
        keys |= negative.astype(np.int64) * count
    return keys
