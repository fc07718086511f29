"""Spending bytes: against all choices that there are."""

import itertools

import numpy as np
import pytest

from bcq_tf.config import BCQConfig
from bcq_tf.models.allocation.budget import choose, least_bytes, most_bytes, total_bytes
from bcq_tf.models.allocation.costs import Costs

BITS = (1, 2, 3, 4)


def costs(rng, items=1, size=100.0) -> Costs:
    """Losses that fall to about a quarter with each bit, as quantization's do."""
    losses = rng.lognormal(0, 2, (items, 1)) * np.cumprod(rng.uniform(0.15, 0.4, (items, 4)), 1)
    return Costs(tuple(BCQConfig(bits=b) for b in BITS), losses, size * np.array(BITS))


def lost(options, choices) -> float:
    pairs = zip(options, choices, strict=True)
    return sum(each[w].losses[np.arange(len(c)), c].sum() for each, (w, c) in pairs)


def best_of_all(options, nbytes) -> float:
    found = np.inf
    ways = [[(w, s) for w, c in enumerate(each) for s in range(len(BITS))] for each in options]
    for way in itertools.product(*ways):
        choices = [(w, np.array([s])) for w, s in way]
        if total_bytes(options, choices) <= nbytes:
            found = min(found, lost(options, choices))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nbytes", [500, 700, 1100, 1600])
def test_whole_weights_lose_little_more_than_the_best_choice(seed, nbytes):
    rng = np.random.default_rng(seed)
    options = [[costs(rng, size=size)] for size in (100, 150, 50, 120)]
    choices = choose(options, nbytes)
    assert total_bytes(options, choices) <= nbytes
    assert lost(options, choices) <= 1.6 * best_of_all(options, nbytes)


def test_rows_are_chosen_for_as_exactly_as_there_are_rows():
    rng = np.random.default_rng(0)
    options = [[costs(rng, 5000, 10.0)], [costs(rng, 5000, 20.0)]]
    for bits in (1.01, 1.7, 2.5, 3.99):
        nbytes = bits * 5000 * 30
        choices = choose(options, nbytes)
        assert 0.999 * nbytes <= total_bytes(options, choices) <= nbytes
        # Each step that was taken is worth more than each that was not.
        taken, left = [], []
        for (each,), (_, chosen) in zip(options, choices, strict=True):
            gain = -np.diff(each.losses, axis=1) / np.diff(each.nbytes)
            index = np.arange(len(chosen))
            taken += list(gain[index, chosen - 1][chosen > 0])
            left += list(gain[index, np.minimum(chosen, 2)][chosen < 3])
        assert min(taken) >= 0.9 * max(left)


def test_of_two_group_sizes_one_is_taken_for_all_rows():
    rng = np.random.default_rng(1)
    plain = costs(rng, 100)
    better = Costs(plain.configs, plain.losses / 10, plain.nbytes + 1)
    ((which, chosen),) = choose([[plain, better]], 100 * 250)
    assert which == 1
    assert chosen.shape == (100,)


@pytest.mark.parametrize("end", [least_bytes, most_bytes])
def test_what_can_just_be_reached_is(end):
    rng = np.random.default_rng(2)
    options = [[costs(rng)], [costs(rng, 7)]]
    assert total_bytes(options, choose(options, end(options))) == end(options)
