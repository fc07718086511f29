"""`Agreement`: how alike two models' outputs are, summed up batch by batch."""

from __future__ import annotations

import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class Agreement:
    """How alike the outputs a, of the float model, and b, of the other, are so far."""

    name: str  # of the output
    squared_difference: float = 0.0  # the sum of (a - b)^2
    energy: float = 0.0  # of a^2
    other_energy: float = 0.0  # of b^2
    inner: float = 0.0  # of a b
    positions: int = 0
    same_largest: int = 0  # positions at which the largest of the last axis is the same

    def add(self, a, b) -> None:
        """Counts a batch in: arrays of one shape [batch, ...]."""
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        self.squared_difference += float(np.sum((a - b) ** 2))
        self.energy += float(np.sum(a**2))
        self.other_energy += float(np.sum(b**2))
        self.inner += float(np.sum(a * b))
        if a.ndim > 1 and a.shape[-1] > 1:
            same = a.argmax(-1) == b.argmax(-1)
            self.positions += same.size
            self.same_largest += int(same.sum())

    @property
    def relative_error(self) -> float:
        """|a - b| / |a|, Euclidean; NaN where a is all zeros and b is not."""
        if self.squared_difference == 0:
            return 0.0
        return math.sqrt(self.squared_difference / self.energy) if self.energy else math.nan

    @property
    def cosine(self) -> float:
        """a b / (|a| |b|); NaN where one of them is all zeros."""
        norms = math.sqrt(self.energy) * math.sqrt(self.other_energy)
        return self.inner / norms if norms else math.nan

    @property
    def top1(self) -> float | None:
        """Share of the positions at which the largest of the last axis is the same (that of the
        lowest index, of several); None where that axis has one number."""
        return self.same_largest / self.positions if self.positions else None

    def to_dict(self) -> dict:
        """The three figures, and the output's name."""
        return {
            "output": self.name,
            "relative_error": self.relative_error,
            "cosine": self.cosine,
            "top1": self.top1,
        }
