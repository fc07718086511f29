"""Where the search begins, and the noise that moves it on."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.segments import SortedRows

CANDIDATES = 16  # tried at once for each row

# Scales as multiples of the row's mean magnitude. Each set is the one that, tried together with
# those before it, lowered the error most over many rows of several distributions; far sets are for
# heavy tails. Most are irregular (a_0 < a_1 + a_2), as optimal scales are. Two bits are for rows
# with an offset; without one they are solved exactly.
_SCALES = {
    2: """
        1.23 0.68   1.63 1.04   0.99 0.19   2.58 1.86   1.01 0.50   2.12 1.45   3.53 2.84
        1.34 0.77   5.17 4.74   1.11 0.61   1.85 1.21   1.45 0.88   6.58 6.10   8.75 8.23
        0.99 0.35   3.00 2.30""",
    3: """
        1.044 0.818 0.194   2.369 1.908 0.493   3.766 2.452 1.757   7.688 4.908 1.979
        22.653 19.453 1.251   3.250 2.667 0.967   1.482 1.346 0.523   1.943 1.155 0.836
        0.930 0.683 0.245   4.892 3.835 2.460   2.440 1.992 0.965   1.191 0.976 0.366
        0.967 0.572 0.261   1.610 1.155 0.435   2.266 2.175 2.117   1.210 0.694 0.590""",
    4: """
        0.836 0.683 0.146 0.130   0.957 0.936 0.872 0.344   2.196 1.924 1.023 0.505
        4.445 3.731 1.499 1.134   0.998 0.483 0.364 0.141   1.408 1.239 1.025 0.476
        1.513 1.460 0.530 0.231   22.321 19.313 2.356 1.172   1.623 1.222 0.778 0.211
        1.317 0.831 0.651 0.352   2.911 2.785 0.893 0.740   1.107 1.011 0.614 0.337
        5.601 4.356 3.493 2.667   2.274 1.933 1.277 0.394   1.869 1.639 1.537 0.677
        1.702 1.069 1.005 0.383""",
}
MAX_TABULATED = max(_SCALES)


def start_scales(bits: int) -> np.ndarray:
    """The tabulated scales for 2 to 4 bits: [bits, 16], multiples of the mean magnitude."""
    return np.array(_SCALES[bits].split(), np.float64).reshape(CANDIDATES, bits).T


def tabulated(rows: SortedRows, bits: int) -> np.ndarray:
    """First candidates for 2 to 4 bits: params [m, n, 16], times 4 places of an offset."""
    scales = start_scales(bits)
    if not rows.offset:
        return scales[:, None, :] * (rows.sum / rows.mass)[:, None]
    ordered = rows.values[:, : rows.length]
    middle = (ordered[:, 0] + ordered[:, -1]) / 2
    centers = [rows.sum / rows.mass, np.zeros(rows.count), ordered[:, rows.length // 2], middle]
    return np.concatenate([_around(ordered, center, scales) for center in centers], axis=2)


def extended(params: np.ndarray, offset: bool) -> np.ndarray:
    """First candidates for one bit more than `params` [m, n, k]: the smallest scale halved."""
    halves = np.abs(params[int(offset) :]).min(axis=0, keepdims=True) / 2
    return np.concatenate([params, halves])


def noise(batches: int, m: int) -> np.ndarray:
    """The constant noise of each batch [batches, m, 16], of spread .05 for the best candidate.

    The spread grows to .30 for the last one, so that good candidates are refined and poor ones
    explore.
    """
    normal = np.random.Generator(np.random.PCG64(20)).standard_normal((batches, CANDIDATES, m))
    spread = np.linspace(0.05, 0.30, CANDIDATES)[:, None]
    return (spread * normal).transpose(0, 2, 1)


def _around(ordered: np.ndarray, center: np.ndarray, scales: np.ndarray) -> np.ndarray:
    deviation = np.abs(ordered - center[:, None]).mean(axis=1)
    params = np.empty((len(scales) + 1, len(ordered), scales.shape[1]))
    params[0] = center[:, None]
    params[1:] = scales[:, None, :] * deviation[:, None]
    return params
