"""What a file's names and metadata say of a model's weights: `read_table`.

A weight's name in a file is "POSITION:PATH": its index in `model.weights` and its path, a label,
since layer names differ from process to process. The metadata's "places" say where in the model
each stands, see `bcq_tf._keras.weight_places`. Other tensors are those of `ModelState`.
"""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.files.file import FileFormatError
from bcq_tf.shown import short

STATE_FIELDS = ("states", "assets")
"""Where the metadata have the tables of `bcq_tf.models.state.ModelState`."""

_NAME = re.compile(r"(0|[1-9]\d{0,8}):(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A weight in a file.

    Args:
        position: its index in `model.weights`.
        path: its label.
        place: where in the model it stands; None where the file does not say.
        tensor: `BinaryCodes`, or the array of a weight that stayed float.
        view: how the weight is seen as the codes' matrix; None for an array.
        error: relative squared error of the codes when they were solved; None for an array.
        reason: why it stayed float; None for codes.
    """

    position: int
    path: str
    place: str | None
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


def codes_by_position(tensors) -> dict[int, BinaryCodes]:
    """The codes among `tensors`, whose names `make_name` made."""
    return {int(name.partition(":")[0]): codes for name, codes in tensors.items()}


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
    if not all(isinstance(line, dict) for line in lines.values()):
        raise FileFormatError("its table of weights has lines that are no objects")
    reasons, others = _reasons(skipped), _state_names(metadata)
    entries = [
        _entry(name, tensor, lines, reasons)
        for name, tensor in tensors.items()
        if name not in others
    ]
    entries.sort(key=lambda entry: entry.position)
    if [entry.position for entry in entries] != list(range(len(entries))):
        raise FileFormatError(f"the positions of its weights are not 0 to {len(entries) - 1}")
    return _placed(entries, metadata.get("places"))


def _state_names(metadata: dict) -> set[str]:
    # Of the tensors that the tables of `STATE_FIELDS` speak of, rightly or not.
    tables = [metadata.get(field) for field in STATE_FIELDS]
    kept = [each for table in tables if isinstance(table, dict) for each in table.values()]
    values = [value for each in kept if isinstance(each, dict) for value in each.values()]
    return {value for value in values if isinstance(value, str)}


def _placed(entries: list[Entry], places) -> list[Entry]:
    if places is None:
        return entries
    legal = isinstance(places, list) and all(isinstance(place, str) for place in places)
    if not legal or len(places) != len(entries) or len(set(places)) != len(places):
        raise FileFormatError("its list of the places of weights is not one")
    return [
        dataclasses.replace(entry, place=place)
        for entry, place in zip(entries, places, strict=True)
    ]


def _reasons(skipped: dict) -> dict[int, str]:
    reasons = {}
    for reason, positions in skipped.items():
        if not isinstance(positions, list):
            raise FileFormatError(f"its table of skipped weights is wrong at {short(reason)}")
        reasons |= {position: reason for position in positions if isinstance(position, int)}
    return reasons


def _entry(name: str, tensor, lines: dict, reasons: dict[int, str]) -> Entry:
    match = _NAME.fullmatch(name)
    if not match:
        raise FileFormatError(f"the name {short(name)} is not one of a model's weight")
    position, path = int(match[1]), match[2]
    if isinstance(tensor, np.ndarray):
        return Entry(position, path, None, tensor, None, None, reasons.get(position, "unknown"))
    if not isinstance(tensor, BinaryCodes):
        raise FileFormatError(f"{type(tensor).__name__} of {short(name)} are not codes of a model")
    line = lines.get(str(position))
    try:
        view, error = MatrixView.from_dict(line["view"]), float(line["error"])
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise FileFormatError(
            f"its table of weights is wrong at {short(name)}: {str(problem)[:300]}"
        ) from None
    if view.matrix_shape != tensor.shape or not math.isfinite(error):
        raise FileFormatError(f"its table of weights contradicts the codes of {short(name)}")
    return Entry(position, path, None, tensor, view, error, None)
