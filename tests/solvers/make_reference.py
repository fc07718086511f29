"""Writes data/four_bits.json: the least squared errors with 4 bits that a long search finds.

It shares no code with the library: thousands of random starts for each row, plain alternating
rounds over all weights and levels, then the best ones perturbed again and again. Some minutes.

    python -m tests.solvers.make_reference
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np

from tests.solvers.reference import DISTRIBUTIONS, draw

FILE = Path(__file__).parent / "data" / "four_bits.json"
COLUMNS = (64, 128)
ROWS = 10
SIGNS = np.array(list(itertools.product([-1.0, 1.0], repeat=4)))
STARTS, GENERATIONS, PARENTS, CHILDREN = 4096, 60, 64, 4


def seed(columns: int) -> int:
    """The seed of the rows of a length."""
    return 1000 + columns


def refine(row: np.ndarray, scales: np.ndarray, rounds: int):
    """Rounds of alternating optimization: scales [N, 4] -> (scales [N, 4], squared errors [N])."""
    for _ in range(rounds):
        levels = scales @ SIGNS.T
        signs = SIGNS[np.abs(row[:, None] - levels[:, None, :]).argmin(axis=2)]  # [N, C, 4]
        gram = np.einsum("nci,ncj->nij", signs, signs)
        scales = (
            np.linalg.pinv(gram, hermitian=True) @ (signs.transpose(0, 2, 1) @ row)[..., None]
        )[..., 0]
    return scales, np.sum((row - np.einsum("nci,ni->nc", signs, scales)) ** 2, axis=1)


def best_four_bits(row: np.ndarray, rng: np.random.Generator) -> float:
    """The least squared error found."""
    scales = np.abs(row).mean() * np.exp(rng.uniform(np.log(0.05), np.log(8), (STARTS, 4)))
    parts = [refine(row, part, 8) for part in np.array_split(scales, STARTS // 256)]
    scales, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    for _ in range(GENERATIONS):
        # Distinct errors only, or copies of one solution would be all the parents.
        _, first = np.unique(errors.round(12), return_index=True)
        parents = scales[first[:PARENTS]]
        children = np.repeat(parents, CHILDREN, axis=0)
        children = children * np.exp(rng.uniform(0, 0.4) * rng.standard_normal(children.shape))
        found = refine(row, children, 6)
        scales = np.concatenate([parents, found[0]])
        errors = np.concatenate([errors[first[:PARENTS]], found[1]])
    return float(refine(row, scales[errors.argsort()[:PARENTS]], 30)[1].min())


def main() -> None:
    """Writes the file."""
    result = {}
    for distribution, columns in itertools.product(DISTRIBUTIONS, COLUMNS):
        rng = np.random.default_rng(0)
        rows = draw(distribution, ROWS, columns, seed(columns))
        result[f"{distribution}_{columns}"] = [best_four_bits(row, rng) for row in rows]
        print(distribution, columns, flush=True)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
