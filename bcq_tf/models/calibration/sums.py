"""`Sums`: second moments while they are collected."""

from __future__ import annotations

import dataclasses

import numpy as np


class NotFiniteInputError(ValueError):
    """What a weight is multiplied by holds NaN or Inf."""


@dataclasses.dataclass
class Sums:
    """Of rows x [N, C], of which some may count more than others.

    Args:
        total: the sum of s x x^T with the rows' weights s, float32 [C, C].
        count: how many rows there are.
        size: the sum of their weights.
        looked_up: whether rows of the weight are also looked up, which no x tells of.
    """

    total: np.ndarray
    count: int
    size: float
    looked_up: bool = False

    def add(self, other: Sums) -> None:
        """Adds those of more rows."""
        self.total += other.total
        self.count += other.count
        self.size += other.size

    @property
    def mean(self) -> np.ndarray:
        """E[s x x^T] / E[s], [C, C]; where rows are looked up with as much for each error alone."""
        mean = self.total / np.float32(self.size or 1)
        size = np.trace(mean) / len(mean)
        return mean + size * np.eye(len(mean), dtype=np.float32) if self.looked_up else mean


def sums_of(rows: np.ndarray, path: str, weights: np.ndarray | None = None) -> Sums:
    """Of float32 [N, C], with weights [N], 1 each where none are given. path: of what they are
    multiplied by, for the error.

    Raises:
        NotFiniteInputError: they are not all finite, or their squares are not.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = rows if weights is None else rows * np.sqrt(weights)[:, None]
        total = scaled.T @ scaled  # of one array, which BLAS forms half of
    if not np.isfinite(total).all():
        raise NotFiniteInputError(
            "`calibration` must give finite inputs of every product. Received: NaN, Inf or numbers "
            f"too large in what weight {path!r} is multiplied by"
        )
    return Sums(total, len(rows), float(len(rows) if weights is None else weights.sum()))


def add(sums: dict[int, Sums], position: int, new: Sums) -> None:
    """Adds to those of a weight, by its position."""
    old = sums.get(position)
    if old is None:
        sums[position] = dataclasses.replace(new, total=new.total.copy())
        return
    old.add(new)


@dataclasses.dataclass
class Use:
    """One way in which a model uses a weight: its rows' errors e [C] cost e moments e^T.

    Args:
        sums: of what errors are multiplied by: inputs, or at look-ups the gradients of the loss.
        squares: float64 [R], how much that matters for each row: the sum of the squared gradients
            of the loss at its outputs, or how often it is looked up; None where nothing tells.
        logits: whether its outputs are those of a softmax, one a row.
    """

    sums: Sums
    squares: np.ndarray | None = None
    logits: bool = False

    def add(self, sums: Sums, squares: np.ndarray) -> None:
        """Adds those of more samples."""
        self.sums.add(sums)
        self.squares += squares


def moments_of(uses: list[Use]) -> np.ndarray:
    """Of all uses of a weight together, float32 [C, C]."""
    if len(uses) == 1:
        return uses[0].sums.mean
    sizes = np.array([use.squares.sum() for use in uses])
    parts = zip(sizes / (sizes.sum() or 1), uses, strict=True)
    return sum(np.float32(size) * use.sums.mean for size, use in parts)
