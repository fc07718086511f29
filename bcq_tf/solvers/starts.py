"""Where the search begins: tabulated scales, and the noise that moves it on."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.segments import SortedRows

CANDIDATES = 16  # tried at once for each row

# Scales as multiples of the row's mean magnitude. Each set is the one that, tried together with
# those before it, lowered the error most over many rows of several distributions; far sets are for
# heavy tails. Most are irregular (a_0 < a_1 + a_2), as optimal scales are.
_TABLES = {
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


def starting_scales(bits: int) -> np.ndarray:
    """[16, bits]: sets of scales for rows of mean magnitude 1."""
    if bits in _TABLES:
        return np.array(_TABLES[bits].split(), np.float64).reshape(CANDIDATES, bits)
    # Ladders a_0, a_0 r, a_0 r^2, ...: r = 1/2 are the uniform quantizers, of many limits.
    plane = np.arange(bits)
    halves = np.geomspace(0.9, 8, CANDIDATES // 2)[:, None] * 0.5**plane
    others = np.geomspace(0.9, 8, CANDIDATES // 2)[:, None] * 0.62**plane
    return np.concatenate([halves, others])


def starts(rows: SortedRows, bits: int) -> np.ndarray:
    """The first candidates of each row: params [m, n, k]; 16, times 4 places of an offset."""
    table = starting_scales(bits).T
    if not rows.offset:
        return table[:, None, :] * (rows.sum / rows.mass)[:, None]
    parts = [_from_center(rows, center, table) for center in _centers(rows)]
    return np.concatenate(parts, axis=2)


def _centers(rows: SortedRows) -> list[np.ndarray]:
    ordered = rows.values[:, : rows.length]
    median = ordered[:, rows.length // 2]
    return [
        rows.sum / rows.mass,
        np.zeros(rows.count),
        median,
        (ordered[:, 0] + ordered[:, -1]) / 2,
    ]


def _from_center(rows: SortedRows, center: np.ndarray, table: np.ndarray) -> np.ndarray:
    deviation = np.abs(rows.values[:, : rows.length] - center[:, None]).mean(axis=1)
    params = np.empty((len(table) + 1, rows.count, table.shape[1]))
    params[0] = center[:, None]
    params[1:] = table[:, None, :] * deviation[:, None]
    return params


def noise(batches: int, m: int) -> np.ndarray:
    """The constant noise of each batch: [batches, m, 16], spread .05 to .30 over candidates."""
    normal = np.random.Generator(np.random.PCG64(20)).standard_normal((batches, CANDIDATES, m))
    spread = np.linspace(0.05, 0.30, CANDIDATES)[:, None]
    return (spread * normal).transpose(0, 2, 1)
