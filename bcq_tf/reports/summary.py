"""A report's weights by the kind of layer that they belong to: a line for many."""

from __future__ import annotations

import collections
import dataclasses
import math
import re

from bcq_tf.reports.listing import as_text, listing
from bcq_tf.reports.report import Report, totals


@dataclasses.dataclass(frozen=True)
class Kind:
    """The weights of one kind: layers of a name, but for the number that Keras or the model gave.

    Attributes:
        name: "query/kernel"; the reason, for weights that are left as they are.
        count: how many weights.
        size: their numbers in all.
        bits: of a number, scales included; 32 for a float.
        error: mean relative squared error; 0 where nothing is quantized.
        nbytes: in the file.
    """

    name: str
    count: int
    size: int
    bits: float
    error: float
    nbytes: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """A `Report` with a line for each kind of layer, and for each reason to leave a weight."""

    report: Report

    @property
    def chosen(self) -> list[Kind]:
        """The kinds of quantized weights."""
        groups = _groups(self.report.chosen, lambda weight: kind_of(weight.path))
        return [
            _kind(name, weights, [w.codes.nbytes for w in weights], [w.error for w in weights])
            for name, weights in groups.items()
        ]

    @property
    def skipped(self) -> list[Kind]:
        """The reasons to leave weights as they are."""
        groups = _groups(self.report.skipped, lambda weight: weight.reason)
        return [
            _kind(name, weights, [w.nbytes for w in weights], [0.0] * len(weights))
            for name, weights in groups.items()
        ]

    def __rich__(self):
        from rich.console import Group

        kinds = [(kind, True) for kind in self.chosen] + [(kind, False) for kind in self.skipped]
        rows = (
            (
                kind.name if quantized else f"left as it is: {kind.name}",
                str(kind.count),
                f"{kind.size:,}",
                f"{kind.bits:.2f}",
                f"{kind.error:.4f}" if quantized else "",
                f"{kind.nbytes:,}",
            )
            for kind, quantized in kinds
        )
        columns = "layer", "weights", "numbers", "bits/weight", "error", "bytes"
        return Group(listing("By kind of layer", *columns, rows=rows), totals(self.report))

    def __str__(self) -> str:
        return as_text(self)


def kind_of(path: str) -> str:
    """The end of a weight's path without numbers: "decoder/dense_4/kernel" -> "dense/kernel"."""
    parts = [re.sub(r"_\d+(?=_|$)|\d+$", "", part) or part for part in path.split("/")]
    return "/".join(parts[-2:])


def _groups(weights, name_of) -> dict[str, list]:
    groups = collections.defaultdict(list)
    for weight in weights:
        groups[name_of(weight)].append(weight)
    return groups


def _kind(name: str, weights, nbytes, errors) -> Kind:
    size = sum(math.prod(weight.shape) for weight in weights)
    bits = 8 * sum(nbytes) / size if size else 0.0
    return Kind(name, len(weights), size, bits, sum(errors) / len(errors), sum(nbytes))
