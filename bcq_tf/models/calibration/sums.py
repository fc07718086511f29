"""`Sums`: second moments while they are collected."""

from __future__ import annotations

import dataclasses

import numpy as np


class NotFiniteInputError(ValueError):
    """What a weight is multiplied by holds NaN or Inf."""


@dataclasses.dataclass
class Sums:
    """Of rows x [N, C].

    Args:
        total: the sum of x x^T, float32 [C, C].
        count: how many rows there are.
        looked_up: whether rows of the weight are also looked up, which no x tells of.
    """

    total: np.ndarray
    count: int
    looked_up: bool = False

    @property
    def mean(self) -> np.ndarray:
        """E[x x^T], [C, C]; where rows are looked up with as much weight for each error alone."""
        mean = self.total / np.float32(max(1, self.count))
        size = np.trace(mean) / len(mean)
        return mean + size * np.eye(len(mean), dtype=np.float32) if self.looked_up else mean


def sums_of(rows: np.ndarray, path: str) -> Sums:
    """Of float32 [N, C]. path: of the weight, for the error.

    Raises:
        NotFiniteInputError: they are not all finite, or their squares are not.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = rows.T @ rows
    if not np.isfinite(total).all():
        raise NotFiniteInputError(
            "`calibration` must give finite inputs of every product. Received: NaN, Inf or numbers "
            f"too large in what weight {path!r} is multiplied by"
        )
    return Sums(total, len(rows))


def add(sums: dict[int, Sums], position: int, new: Sums) -> None:
    """Adds to those of a weight, by its position."""
    old = sums.get(position)
    if old is None:
        sums[position] = dataclasses.replace(new, total=new.total.copy())
        return
    old.total += new.total
    old.count += new.count
