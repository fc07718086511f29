"""Writes data/long_search.json: the least squared errors that a long search finds.

It shares no code with the library: thousands of random starts for each row, plain alternating
rounds over all weights and levels, then the best ones perturbed again and again. Half an hour.

    python -m tests.solvers.make_reference
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np

from tests.solvers.reference import DISTRIBUTIONS, draw

FILE = Path(__file__).parent / "data" / "long_search.json"
STARTS, GENERATIONS, PARENTS, CHILDREN = 4096, 60, 64, 4


@dataclasses.dataclass(frozen=True)
class Kind:
    """What was searched: rows of every distribution.

    Args:
        bits: number of planes.
        offset: whether rows have an offset.
        weighted: whether errors are weighted.
        columns: length of the rows.
        rows: how many of each distribution.
    """

    bits: int
    offset: bool
    weighted: bool
    columns: int
    rows: int

    def __str__(self) -> str:
        extra = "_offset" * self.offset + "_weighted" * self.weighted
        return f"{self.bits}_bits{extra}_{self.columns}"

    def matrix(self, distribution: str) -> np.ndarray:
        """The rows: float64 [rows, columns]."""
        return draw(distribution, self.rows, self.columns, 1000 + self.columns)

    def importance(self) -> np.ndarray | None:
        """What `quantize` is given: [rows, columns] or None."""
        shape = (self.rows, self.columns)
        return np.random.default_rng(0).exponential(size=shape) ** 1.5 if self.weighted else None

    def weights(self) -> np.ndarray:
        """How much each squared error counts then: [rows, columns]."""
        h = self.importance()
        if h is None:
            return np.ones((self.rows, self.columns))
        return h / h.mean(axis=1, keepdims=True) + 0.1


KINDS = (
    Kind(4, False, False, 64, 10),
    Kind(4, False, False, 128, 10),
    Kind(3, True, False, 64, 4),
    Kind(3, True, True, 64, 4),
    Kind(4, False, True, 64, 4),
    Kind(4, True, False, 64, 4),
    Kind(4, True, True, 64, 4),
)


class Search:
    """The search for one row.

    Args:
        row: float64 [C].
        h: positive [C].
        bits: number of planes.
        offset: whether there is one.
    """

    def __init__(self, row: np.ndarray, h: np.ndarray, bits: int, offset: bool):
        self.row, self.h, self.bits, self.offset = row, h, bits, offset
        signs = np.array(list(itertools.product([-1.0, 1.0], repeat=bits)))
        self.basis = np.concatenate([np.ones((len(signs), int(offset))), signs], axis=1)  # [K, m]

    def starts(self, rng: np.random.Generator) -> np.ndarray:
        """Params [STARTS, m], the offset first."""
        scales = np.exp(rng.uniform(np.log(0.05), np.log(8), (STARTS, self.bits)))
        params = np.abs(self.row).mean() * scales
        if not self.offset:
            return params
        return np.c_[rng.uniform(self.row.min(), self.row.max(), STARTS), params]

    def refine(self, params: np.ndarray, rounds: int):
        """Rounds of alternating optimization: params [N, m] -> (params [N, m], errors [N])."""
        for _ in range(rounds):
            basis = self.nearest(params)
            gram = np.einsum("c,nci,ncj->nij", self.h, basis, basis, optimize=True)
            right = np.einsum("c,nci->ni", self.h * self.row, basis)
            params = np.einsum("nij,nj->ni", np.linalg.pinv(gram, hermitian=True), right)
        made = np.einsum("nci,ni->nc", self.nearest(params), params)
        return params, np.sum(self.h * (self.row - made) ** 2, axis=1)

    def nearest(self, params: np.ndarray) -> np.ndarray:
        """The row of the basis whose level is nearest to each weight: [N, C, m]."""
        levels = params @ self.basis.T
        return self.basis[np.abs(self.row[:, None] - levels[:, None, :]).argmin(axis=2)]

    def least_error(self, rng: np.random.Generator) -> float:
        """The least squared error found."""
        parts = [self.refine(part, 8) for part in np.array_split(self.starts(rng), STARTS // 256)]
        params, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
        for _ in range(GENERATIONS):
            # Distinct errors only, or copies of one solution would be all the parents.
            _, first = np.unique(errors.round(12), return_index=True)
            parents = params[first[:PARENTS]]
            children = np.repeat(parents, CHILDREN, axis=0)
            children *= np.exp(rng.uniform(0, 0.4) * rng.standard_normal(children.shape))
            found = self.refine(children, 6)
            params = np.concatenate([parents, found[0]])
            errors = np.concatenate([errors[first[:PARENTS]], found[1]])
        return float(self.refine(params[errors.argsort()[:PARENTS]], 30)[1].min())


def least_errors(kind: Kind, distribution: str) -> list[float]:
    """The least squared error found for each row."""
    rng = np.random.default_rng(0)
    rows = zip(kind.matrix(distribution), kind.weights(), strict=True)
    return [Search(row, h, kind.bits, kind.offset).least_error(rng) for row, h in rows]


def main() -> None:
    """Writes the file."""
    result = {}
    for kind in KINDS:
        result[str(kind)] = {name: least_errors(kind, name) for name in DISTRIBUTIONS}
        print(kind, flush=True)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
