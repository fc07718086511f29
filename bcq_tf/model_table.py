"""What a file's names and metadata say of a model's weights: `read_table`.

A weight's name in a file is "POSITION:PATH": its index in `model.weights`, which is the key, since
layer names differ from process to process, and its path, a label.
"""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.file import FileFormatError, QuantizedFile
from bcq_tf.matrix_view import MatrixView

_MOST_SHOWN = 3
_NAME = re.compile(r"(0|[1-9]\d{0,8}):(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A weight in a file.

    Args:
        position: its index in `model.weights`.
        path: its label.
        tensor: `BinaryCodes`, or the array of a weight that stayed float.
        view: how the weight is seen as the codes' matrix; None for an array.
        error: relative squared error of the codes when they were solved; None for an array.
        reason: why it stayed float; None for codes.
    """

    position: int
    path: str
    tensor: BinaryCodes | np.ndarray
    view: MatrixView | None
    error: float | None
    reason: str | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return self.tensor.shape if self.view is None else self.view.shape

    def value(self) -> np.ndarray:
        """The weight's float value."""
        if self.view is None:
            return self.tensor
        return self.view.from_matrix(self.tensor.reconstruct())


def make_name(position: int, path: str) -> str:
    """The name of a weight in a file."""
    return f"{position}:{path}"


def describes_model(metadata: dict) -> bool:
    """Whether a file's metadata speak of a model's weights, rightly or not."""
    return "weights" in metadata or "skipped" in metadata


def read_table(tensors, metadata: dict) -> list[Entry]:
    """The weights of a model that `tensors`, with their `metadata`, hold, by position.

    Raises:
        FileFormatError: they are not those of a model, or contradict each other.
    """
    lines, skipped = metadata.get("weights"), metadata.get("skipped")
    if not isinstance(lines, dict) or not isinstance(skipped, dict):
        raise FileFormatError("its metadata have no table of a model's weights")
    reasons = _reasons(skipped)
    entries = [_entry(name, tensor, lines, reasons) for name, tensor in tensors.items()]
    entries.sort(key=lambda entry: entry.position)
    if [entry.position for entry in entries] != list(range(len(entries))):
        raise FileFormatError(f"the positions of its weights are not 0 to {len(entries) - 1}")
    return entries


def read_file_table(opened: QuantizedFile) -> list[Entry]:
    """`read_table` of a file; its errors name it."""
    try:
        return read_table(opened, opened.metadata)
    except FileFormatError as error:
        raise FileFormatError(f"{opened.path}: {error}") from None


def check_model(model, entries: list[Entry]) -> None:
    """Raises ValueError where a file's weights are not those of the model; lists what differs."""
    variables = model.weights
    differing = [
        f"weight {entry.position} is {list(variable.shape)} ({variable.path!r}), "
        f"in the file {list(entry.shape)} ({entry.path!r})"
        for entry, variable in zip(entries, variables, strict=False)
        if tuple(variable.shape) != entry.shape or not _same_name(variable.path, entry.path)
    ]
    if len(variables) != len(entries):
        longer = variables[len(entries) :] or entries[len(variables) :]
        paths = ", ".join(repr(weight.path) for weight in longer[:_MOST_SHOWN])
        differing.append(f"it has {len(variables)} weights, the file {len(entries)}: {paths}")
    if differing:
        more = len(differing) - _MOST_SHOWN
        raise ValueError(
            "`model` must be of the architecture that the file was made from. Received: "
            + "; ".join(differing[:_MOST_SHOWN])
            + (f"; and {more} more" if more > 0 else "")
        )


def _same_name(path: str, other: str) -> bool:
    # Names of layers differ from process to process, those of their weights do not.
    return path.rpartition("/")[2] == other.partition("#")[0].rpartition("/")[2]


def _reasons(skipped: dict) -> dict[int, str]:
    reasons = {}
    for reason, positions in skipped.items():
        if not isinstance(positions, list):
            raise FileFormatError(f"its table of skipped weights is wrong at {reason!r}")
        reasons |= {position: reason for position in positions if isinstance(position, int)}
    return reasons


def _entry(name: str, tensor, lines: dict, reasons: dict[int, str]) -> Entry:
    match = _NAME.fullmatch(name)
    if not match:
        raise FileFormatError(f"the name {name!r} is not one of a model's weight")
    position, path = int(match[1]), match[2]
    if isinstance(tensor, np.ndarray):
        return Entry(position, path, tensor, None, None, reasons.get(position, "unknown"))
    if not isinstance(tensor, BinaryCodes):
        raise FileFormatError(f"{type(tensor).__name__} of {name!r} are not codes of a model")
    line = lines.get(str(position))
    try:
        view, error = MatrixView.from_dict(line["view"]), float(line["error"])
    except (KeyError, TypeError, ValueError) as problem:
        raise FileFormatError(f"its table of weights is wrong at {name!r}: {problem}") from None
    if view.matrix_shape != tensor.shape or not math.isfinite(error):
        raise FileFormatError(f"its table of weights contradicts the codes of {name!r}")
    return Entry(position, path, tensor, view, error, None)
