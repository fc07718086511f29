"""The settings of least expected loss whose codes take no more than so many bytes."""

from __future__ import annotations

import numpy as np

from bcq_tf.models.allocation.costs import Costs

ROUNDS = 100  # of bisection
Choice = tuple[int, np.ndarray]  # which of a weight's costs, and of each item its setting


def choose(options: list[list[Costs]], nbytes: float) -> list[Choice]:
    """For each weight which of its costs is taken, and the setting of each of its items.

    The sum of loss and price times bytes is least for each item by itself (Shoham & Gersho 1988);
    the price that spends the bytes is found by bisection.

    Args:
        options: of each weight, costs of which one is chosen for all of its items.
        nbytes: the most that all may take; at least what `least_bytes` says.
    """
    choices = _fill(options, _cheapest_within(options, nbytes), nbytes)
    # What no whole weight can take is left to rows.
    fixed = [_only(costs, choice) for costs, choice in zip(options, choices, strict=True)]
    rows = _cheapest_within(fixed, nbytes)
    pairs = zip(options, choices, rows, strict=True)
    return [row if costs[choice[0]].by_rows else choice for costs, choice, row in pairs]


def _cheapest_within(options: list[list[Costs]], nbytes: float) -> list[Choice]:
    below, above = 1e-30, 1e30
    best = _at(options, above)
    for _ in range(ROUNDS):
        price = np.sqrt(below * above)
        found = _at(options, price)
        if total_bytes(options, found) <= nbytes:
            best, above = found, price
        else:
            below = price
    return best


def _only(costs: list[Costs], choice: Choice) -> list[Costs]:
    # Of a whole weight the setting that it has.
    which, chosen = choice
    if costs[which].by_rows:
        return costs
    one = costs[which]
    return [Costs(one.configs, one.losses[:, chosen], one.nbytes[chosen])]


def least_bytes(options: list[list[Costs]]) -> float:
    """What the smallest settings take."""
    return sum(min(len(c.losses) * c.nbytes.min() for c in costs) for costs in options)


def most_bytes(options: list[list[Costs]]) -> float:
    """What the largest settings take."""
    return sum(max(len(c.losses) * c.nbytes.max() for c in costs) for costs in options)


def total_bytes(options: list[list[Costs]], choices: list[Choice]) -> float:
    """What the chosen settings take."""
    pairs = zip(options, choices, strict=True)
    return sum(costs[which].nbytes[chosen].sum() for costs, (which, chosen) in pairs)


def _at(options: list[list[Costs]], price: float) -> list[Choice]:
    return [_cheapest(costs, price) for costs in options]


def _cheapest(costs: list[Costs], price: float) -> Choice:
    prices = [each.losses + price * each.nbytes for each in costs]
    which = int(np.argmin([each.min(axis=1).sum() for each in prices]))
    return which, prices[which].argmin(axis=1)


def _fill(options: list[list[Costs]], choices: list[Choice], nbytes: float) -> list[Choice]:
    """Spends what is left on whole weights, where it is of most use first."""
    left = nbytes - total_bytes(options, choices)
    while steps := [s for i, c in enumerate(choices) for s in _steps(i, options[i], c, left)]:
        _, spent, weight, choice = max(steps, key=lambda step: step[0])
        choices[weight] = choice
        left -= spent
    return choices


def _steps(weight: int, costs: list[Costs], choice: Choice, left: float):
    # (loss less per byte, bytes more, weight, choice) of what there is for no more bytes than left.
    which, chosen = choice
    if costs[which].by_rows:
        return
    loss, size = costs[which].losses[0, chosen[0]], costs[which].nbytes[chosen[0]]
    for other, each in enumerate(costs):
        for setting, (its_loss, its_size) in enumerate(
            zip(each.losses[0], each.nbytes, strict=True)
        ):
            if size < its_size <= size + left and its_loss < loss:
                gain = (loss - its_loss) / (its_size - size)
                yield gain, its_size - size, weight, (other, np.array([setting]))
