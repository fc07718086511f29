"""The oracles that the solvers are tested against, themselves tested by brute force."""

import numpy as np
import pytest

from tests.solvers.reference import (
    DISTRIBUTIONS,
    best_three_bits,
    best_two_bits,
    brute_force,
    draw,
)


def importance(columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 3, columns)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_two_bit_oracle_is_the_brute_force_optimum(distribution, weighted):
    for seed in range(3):
        row = draw(distribution, 1, 6, seed)[0]
        h = importance(6, seed) if weighted else None
        assert best_two_bits(row, h) == pytest.approx(brute_force(row, 2, h), abs=1e-12), seed


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_three_bit_oracle_is_the_brute_force_optimum(distribution, weighted):
    for seed, columns in ((0, 4), (1, 5), (2, 5)):
        row = draw(distribution, 1, columns, seed)[0]
        h = importance(columns, seed) if weighted else None
        assert best_three_bits(row, h) == pytest.approx(brute_force(row, 3, h), abs=1e-12), seed


def test_brute_force_finds_codes_that_are_exact():
    # 2.5 + 1 - 0.25 and so on: 3 scales make these 6 values.
    row = np.array([3.75, 3.25, 1.75, -1.25, -3.75, -1.75])
    assert brute_force(row, 3) == pytest.approx(0, abs=1e-20)
    assert brute_force(row[:5] + 7, 3, offset=True) == pytest.approx(0, abs=1e-20)
    assert brute_force(row, 1) == pytest.approx(np.sum((np.abs(row) - np.abs(row).mean()) ** 2))
