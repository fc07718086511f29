"""The alternating solver: nearest levels, least-squares scales, in turn, from many starts.

Xu et al. 2018, "Alternating multi-bit quantization for recurrent neural networks", with a search
on top that comes close to the global optimum: tabulated starts, then batches of perturbed elites.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.solvers.assign import nearest_codes
from bcq_tf.solvers.block import Block, canonical
from bcq_tf.solvers.segments import SortedRows
from bcq_tf.solvers.splits import two_level_params
from bcq_tf.solvers.starts import CANDIDATES, noise, starts

ELITES = 8
START_ROUNDS = 8
BATCH_ROUNDS = 6
POLISH_ROUNDS = 50
WARM_ROUNDS = 3
SAME = 1e-12  # relative difference of explained energy below which candidates are the same


@dataclasses.dataclass(frozen=True)
class Search:
    """How much to search: batches of perturbed elites, and candidates polished at the end."""

    batches: int
    polished: int


def solve(block: Block, effort: str) -> tuple[np.ndarray, np.ndarray]:
    """Params of least squared error, rounded, and the signs that are nearest for them.

    Args:
        block: the rows.
        effort: "full", "low" or "warm" (three rounds from `block.start` alone).

    Returns:
        (params float64 [m, n], rounded, scales in descending order; codes uint8 [n, C]).
    """
    offset = block.offset
    rows = SortedRows(block.values if offset else np.abs(block.values), block.weights, offset)
    candidates = canonical(_candidates(rows, block, effort), offset)
    k = candidates.shape[2]
    candidates = np.stack([block.rounded(candidates[:, :, i]) for i in range(k)], axis=2)
    if block.start is not None:
        # Before any round, so that the result is never worse, rounding included.
        candidates = np.concatenate([candidates, block.start[:, :, None]], axis=2)
    with np.errstate(invalid="ignore"):  # a scale too large for its dtype is Inf
        explained = rows.explained(candidates)
    best = np.argmax(np.where(np.isnan(explained), -np.inf, explained), axis=1)
    params = np.take_along_axis(candidates, best[None, :, None], axis=2)[:, :, 0]
    return params, nearest_codes(block.values, params, offset)


def search_plan(bits: int, effort: str) -> Search:
    """The default search for a number of bits."""
    full = {3: 8, 4: 16}.get(bits, 4)
    return Search(full if effort == "full" else 1, 4 if effort == "full" else 1)


def search(rows: SortedRows, bits: int, start: np.ndarray | None, plan: Search) -> np.ndarray:
    """Candidates [m, n, plan.polished] for rows sorted already, the best first.

    Args:
        rows: the rows.
        bits: number of planes.
        start: params [m, n] to try beside the tabulated ones, or None.
        plan: how much to search.
    """
    candidates = starts(rows, bits)
    if start is not None:
        candidates = np.concatenate([candidates, start[:, :, None]], axis=2)
    elites, explained = _best(*alternate(rows, candidates, START_ROUNDS), ELITES)
    for change in noise(plan.batches, len(candidates)):
        found = alternate(rows, _perturbed(elites, change, rows.offset), BATCH_ROUNDS)
        elites = np.concatenate([elites, found[0]], axis=2)
        explained = np.concatenate([explained, found[1]], axis=1)
        elites, explained = _best(elites, explained, ELITES)
    return polish(rows, elites[:, :, : plan.polished])


def alternate(rows: SortedRows, params: np.ndarray, rounds: int):
    """`rounds` rounds from `params` [m, n, k]: (params [m, n, k], explained [n, k])."""
    for _ in range(rounds):
        params, explained = rows.step(params)
    return params, explained


def polish(rows: SortedRows, params: np.ndarray) -> np.ndarray:
    """Rounds until none of the candidates [m, n, k] explains more than before."""
    params, best = rows.step(params)
    for _ in range(POLISH_ROUNDS):
        new, explained = rows.step(params)
        better = explained > best * (1 + SAME)
        if not better.any():
            break
        params = np.where(better, new, params)
        best = np.where(better, explained, best)
    return params


def _candidates(rows: SortedRows, block: Block, effort: str) -> np.ndarray:
    if effort == "warm":
        return alternate(rows, block.start[:, :, None], WARM_ROUNDS)[0]
    if block.bits == 1 and not block.offset:
        return (rows.sum / rows.mass)[None, :, None]
    if block.bits + block.offset == 2:
        return two_level_params(rows)[:, :, None]
    return search(rows, block.bits, block.start, search_plan(block.bits, effort))


def _perturbed(elites: np.ndarray, change: np.ndarray, offset: bool) -> np.ndarray:
    # Candidate j comes from elite j mod 8: scales times e^change, the offset moved by the largest
    # scale times change.
    parents = elites[:, :, np.arange(CANDIDATES) % elites.shape[2]]
    children = parents * np.exp(change)[:, None, :]
    if offset:
        children[0] = parents[0] + change[0] * np.abs(parents[1:]).max(axis=0)
    return children


def _best(params: np.ndarray, explained: np.ndarray, count: int):
    # The `count` best distinct candidates of each row, the best first.
    order = np.argsort(-explained, axis=1, kind="stable")
    explained = np.take_along_axis(explained, order, axis=1)
    same = explained[:, 1:] >= explained[:, :-1] * (1 - SAME)
    explained[:, 1:][same] = -np.inf
    again = np.argsort(-explained, axis=1, kind="stable")[:, :count]
    explained = np.take_along_axis(explained, again, axis=1)
    order = np.take_along_axis(order, again, axis=1)
    return np.take_along_axis(params, order[None], axis=2), explained
