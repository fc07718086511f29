"""The alternating solver: nearest levels, least-squares scales, in turn, from many starts.

Xu et al. 2018, "Alternating multi-bit quantization for recurrent neural networks", with a search
on top that comes close to the global optimum: tabulated starts, then batches of perturbed elites.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.solvers.binary import uniform
from bcq_tf.solvers.binary.block import Block, canonical
from bcq_tf.solvers.binary.levels import nearest_codes
from bcq_tf.solvers.binary.segments import SortedRows, two_level_params
from bcq_tf.solvers.binary.starts import CANDIDATES, MAX_TABULATED, extended, noise, tabulated

POLISH_ROUNDS = 50
WARM_ROUNDS = 3
RELAXATION = 1.75  # step length, 1 being the way to the least squares
SHIFT = 4.0  # of the smallest scale
SAME = 1e-12  # relative difference of explained energy below which candidates are the same


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much to search."""

    rounds: int  # from each start and in each batch
    batches: int  # of 16 perturbed elites
    elites: int  # distinct candidates that are kept
    polished: int  # best candidates that alternate to convergence and are rounded


def _plans(rounds: int, batches: tuple[int, ...], elites: int, polished: int) -> dict[int, Plan]:
    return {bits: Plan(rounds, n, elites, polished) for bits, n in enumerate(batches, start=2)}


# By effort and offset, then by number of bits. At 3 bits the search ends at the optimum almost
# always, at 4 mostly; beyond, solutions of fewer bits are built upon, which takes fewer batches.
PLANS = {
    ("full", False): _plans(4, (0, 8, 18, 6, 4, 2, 2), 16, 4),
    ("full", True): {**_plans(4, (8, 12, 0, 6, 4, 2, 2), 16, 4), 4: Plan(8, 96, 16, 4)},
    ("low", False): _plans(3, (0, 3, 6, 2, 1, 1, 1), 8, 1),
    ("low", True): _plans(3, (2, 3, 6, 2, 1, 1, 1), 8, 1),
}


def solve(block: Block, effort: str) -> tuple[np.ndarray, np.ndarray]:
    """Params of least squared error, rounded, and the signs that are nearest for them.

    One bit, and two bits without an offset, are solved exactly whatever `effort` says.

    Returns:
        (params float64 [m, n], rounded, scales in descending order; codes uint8 [n, C]).
    """
    offset = block.offset
    rows = SortedRows(block.values if offset else np.abs(block.values), block.weights, offset)
    given = _given(block, effort)
    candidates = np.concatenate([_candidates(rows, block, given, effort), given], axis=2)
    # The given ones stand here too, so that the result is never worse, rounding included.
    candidates = block.rounded(canonical(candidates, offset))
    explained = rows.explained(candidates)
    explained[~np.isfinite(candidates).all(axis=0)] = -np.inf  # too large for the dtype
    best = np.argmax(explained, axis=1)
    params = np.take_along_axis(candidates, best[None, :, None], axis=2)[:, :, 0]
    return params, nearest_codes(block.values, params, offset)


def search(rows: SortedRows, bits: int, given: np.ndarray, plan: Plan) -> np.ndarray:
    """Candidates [m, n, plan.polished] of least squared error, the best first.

    given: params [m, n, k] to start from beside the others; k may be 0.
    """
    return polish(rows, _elites(rows, bits, given, plan)[:, :, : plan.polished])


def alternate(rows: SortedRows, params: np.ndarray, rounds: int):
    """`rounds` rounds from `params` [m, n, k]: (params [m, n, k], explained [n, k]).

    All but the last go further than least squares says: many small moves the same way become few.
    """
    for _ in range(rounds - 1):
        params = params + RELAXATION * (rows.step(params)[0] - params)
    return rows.step(params)


def polish(rows: SortedRows, params: np.ndarray) -> np.ndarray:
    """Rounds until none of the candidates [m, n, k] explains more than before."""
    params, best = rows.step(params)
    for _ in range(POLISH_ROUNDS):
        new, explained = rows.step(params)
        better = explained > best * (1 + SAME)
        if not better.any():
            break
        # A candidate that does not improve stays, whatever the others of its chunk do.
        params = np.where(better, new, params)
        best = np.where(better, explained, best)
    return params


def _given(block: Block, effort: str) -> np.ndarray:
    # Solutions that are known before the search, [m, n, k].
    found = [] if block.start is None else [block.start]
    if block.bits > MAX_TABULATED and effort != "warm":
        found.append(uniform.best_params(block))
    return np.stack(found, axis=2) if found else np.empty((block.params, len(block.values), 0))


def _candidates(rows: SortedRows, block: Block, given: np.ndarray, effort: str) -> np.ndarray:
    if block.params == 1:
        return (rows.sum / rows.mass)[None, :, None]
    if block.params == 2:
        return two_level_params(rows)[:, :, None]
    if effort == "warm":
        return alternate(rows, block.start[:, :, None], WARM_ROUNDS)[0]
    return search(rows, block.bits, given, PLANS[effort, block.offset][block.bits])


def _elites(rows: SortedRows, bits: int, given: np.ndarray, plan: Plan) -> np.ndarray:
    # The best distinct candidates [m, n, plan.elites] found, the best first.
    candidates = [given]
    if bits <= MAX_TABULATED:
        candidates.append(tabulated(rows, bits))
    # Where there is an offset, too, tabulated starts are too coarse.
    if bits > MAX_TABULATED or (rows.offset and bits > 2):
        fewer = _elites(rows, bits - 1, given[:-1, :, :0], plan)
        candidates.append(extended(fewer, rows.offset))
    candidates = np.concatenate(candidates, axis=2)
    elites, explained = _best(*alternate(rows, candidates, plan.rounds), plan.elites)
    for batch, change in enumerate(noise(plan.batches, len(candidates))):
        children = _shifted(elites, change) if batch % 3 == 2 else _scaled(elites, change, rows)
        children, found = alternate(rows, children, plan.rounds)
        elites = np.concatenate([elites, children], axis=2)
        explained = np.concatenate([explained, found], axis=1)
        elites, explained = _best(elites, explained, plan.elites)
    return elites


def _scaled(elites: np.ndarray, change: np.ndarray, rows: SortedRows) -> np.ndarray:
    # Scales times e^change; an offset moves by the largest scale times change.
    parents = _parents(elites)
    children = parents * np.exp(change)[:, None, :]
    if rows.offset:
        children[0] = parents[0] + change[0] * np.abs(parents[1:]).max(axis=0)
    return children


def _shifted(elites: np.ndarray, change: np.ndarray) -> np.ndarray:
    # All params move by a few times the smallest one: where a row has outliers, it is the small
    # differences of large scales that make the levels of the others.
    parents = _parents(elites)
    return parents + SHIFT * change[:, None, :] * np.abs(parents).min(axis=0)


def _parents(elites: np.ndarray) -> np.ndarray:
    # Candidate j comes from elite j, in circles.
    return elites[:, :, np.arange(CANDIDATES) % elites.shape[2]]


def _best(params: np.ndarray, explained: np.ndarray, count: int):
    # The `count` best distinct candidates of each row, the best first. The same one again comes
    # last, so it fills up where there are too few.
    order = np.argsort(-explained, axis=1, kind="stable")
    explained = np.take_along_axis(explained, order, axis=1)
    same = explained[:, 1:] >= explained[:, :-1] * (1 - SAME)
    explained[:, 1:][same] = -np.inf
    again = np.argsort(-explained, axis=1, kind="stable")[:, :count]
    explained = np.take_along_axis(explained, again, axis=1)
    order = np.take_along_axis(order, again, axis=1)
    return np.take_along_axis(params, order[None], axis=2), explained
