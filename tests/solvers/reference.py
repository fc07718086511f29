"""Slow and obvious solutions, and the rows that the solvers are tested on."""

from __future__ import annotations

import itertools

import numpy as np

DISTRIBUTIONS = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "laplace": lambda rng, shape: rng.laplace(size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1, 1, shape),
    "student_t3": lambda rng, shape: rng.standard_t(3, shape),
    "bimodal": lambda rng, shape: rng.choice([-1, 1], shape) + 0.25 * rng.standard_normal(shape),
    "spiky": lambda rng, shape: rng.standard_normal(shape) * (0.02 + (rng.random(shape) < 0.1)),
    "lognormal": lambda rng, shape: rng.choice([-1, 1], shape) * rng.lognormal(size=shape),
}


def draw(distribution: str, rows: int, columns: int, seed: int) -> np.ndarray:
    """A float64 matrix [rows, columns] of one of `DISTRIBUTIONS`."""
    return DISTRIBUTIONS[distribution](np.random.default_rng(seed), (rows, columns))


def squared_error(matrix, codes, h=1.0) -> np.ndarray:
    """sum h (w - w^)^2 of each row: [R]."""
    return np.sum(h * (np.asarray(matrix, np.float64) - codes.reconstruct()) ** 2, axis=1)


def nearest_error(matrix, codes) -> np.ndarray:
    """`squared_error` with the nearest level for every weight, of all that the scales reach."""
    signs = np.array(list(itertools.product([-1, 1], repeat=codes.bits)), np.float32)
    levels = np.float32(0) if codes.offset is None else codes.offset.astype(np.float32)
    for sign, scale in zip(signs.T, codes.scales, strict=True):
        levels = levels + sign[:, None, None] * scale.astype(np.float32)  # as `reconstruct` does
    groups = np.arange(codes.columns) // (codes.group_size or codes.columns)
    return np.sum(np.min((levels[:, :, groups] - matrix.astype(np.float64)) ** 2, axis=0), axis=1)


def brute_force(row: np.ndarray, bits: int, h=None, offset: bool = False) -> float:
    """The least squared error of a row of a few values over all sign matrices whatever."""
    h = np.ones(len(row)) if h is None else h
    root = np.sqrt(h)
    levels = np.array(list(itertools.product([-1.0, 1.0], repeat=bits)))
    if offset:
        levels = np.concatenate([np.ones((len(levels), 1)), levels], axis=1)
    # Scales may be negative, so the signs of the first value can be all +1, the last level.
    others = itertools.product(range(len(levels)), repeat=len(row) - 1)
    picks = np.array([(len(levels) - 1, *pick) for pick in others])
    signs = levels[picks] * root[:, None]  # [N, C, m]
    target = row * root
    fitted = signs @ (np.linalg.pinv(signs) @ target)[:, :, None]
    return float(np.min(np.sum((target - fitted[:, :, 0]) ** 2, axis=1)))


def best_two_bits(row: np.ndarray, h=None) -> float:
    """The least squared error with 2 bits: every split of the sorted magnitudes in two."""
    h = np.ones(len(row)) if h is None else h
    order = np.argsort(np.abs(row))
    magnitudes, h = np.abs(row)[order], h[order]
    errors = []
    for split in range(len(row)):
        error = 0.0
        for part in (slice(0, split), slice(split, None)):
            if h[part].size:
                mean = np.average(magnitudes[part], weights=h[part])
                error += np.sum(h[part] * (magnitudes[part] - mean) ** 2)
        errors.append(error)
    return min(errors)


def best_three_bits(row: np.ndarray, h=None) -> float:
    """The least squared error with 3 bits: all ways to cut the sorted magnitudes in four segments.

    Four free levels explain sum_k S_k^2 / n_k of the energy. The levels of three scales obey one
    equation, l1 + l4 = l2 + l3 where a_0 >= a_1 + a_2 and l4 = l1 + l2 + l3 where not, which
    costs D^2 / sum_k 1 / n_k, D being how far the segments' means are from obeying it.
    """
    h = np.ones(len(row)) if h is None else h
    order = np.argsort(np.abs(row))
    magnitudes, h = np.abs(row)[order], h[order]
    mass = np.concatenate([[0], np.cumsum(h)])
    total = np.concatenate([[0], np.cumsum(h * magnitudes)])
    ends = np.arange(len(row) + 1)
    best = 0.0
    for first in ends:
        second, third = np.meshgrid(ends[first:], ends[first:], indexing="ij")
        keep = second <= third
        cuts = [0, first, second[keep], third[keep], len(row)]
        n = [mass[b] - mass[a] for a, b in itertools.pairwise(cuts)]
        s = [total[b] - total[a] for a, b in itertools.pairwise(cuts)]
        with np.errstate(divide="ignore", invalid="ignore"):
            m1, m2, m3, m4 = (np.where(nk > 0, sk / nk, 0) for nk, sk in zip(n, s, strict=True))
            free = sum(mk * sk for mk, sk in zip((m1, m2, m3, m4), s, strict=True))
            slack = sum(1 / nk for nk in n)  # infinite where a segment is empty: no equation
        d = np.minimum(np.abs(m1 + m4 - m2 - m3), np.abs(m4 - m1 - m2 - m3))
        best = max(best, float(np.max(free - d * d / slack)))
    return float(np.sum(h * magnitudes**2)) - best
