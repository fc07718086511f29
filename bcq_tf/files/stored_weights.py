"""The weights of a model in a file, by the file's names and metadata: `stored_weights`.

A weight's name in a file is "POSITION:PATH": its index in `model.weights` and its path, a label,
since layer names differ from process to process. The metadata's "places" say where in the model
each stands, see `bcq_tf._keras.weight_places`. Other tensors are those of `STATE_FIELDS`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np

from bcq_tf.codes import BinaryCodes, MatrixView
from bcq_tf.files.file import FileFormatError
from bcq_tf.shown import short

STATE_FIELDS = ("states", "assets")
"""Where the metadata say what layers keep beside weights, see `bcq_tf.models.state`."""

_NAME = re.compile(r"(0|[1-9]\d{0,8}):(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class StoredWeight:
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
    view: MatrixView | None = None
    error: float | None = None
    reason: str | None = None

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


def codes_by_position(tensors: Mapping) -> dict[int, BinaryCodes]:
    """The codes `tensors`, whose names `make_name` made."""
    return {int(name.partition(":")[0]): codes for name, codes in tensors.items()}


def describes_model(metadata: dict) -> bool:
    """Whether a file's metadata speak of a model's weights, rightly or not."""
    return "weights" in metadata or "skipped" in metadata


def stored_weights(tensors: Mapping, metadata: dict) -> list[StoredWeight]:
    """The weights of a model that `tensors`, with their `metadata`, hold, by position.

    Raises:
        FileFormatError: they are not those of a model, or contradict each other.
    """
    lines, reasons = _lines(metadata), _reasons(metadata)
    others = _state_names(metadata)
    named = sorted((*_parse(name), name) for name in tensors if name not in others)
    if [position for position, _, _ in named] != list(range(len(named))):
        raise FileFormatError(f"the positions of its weights are not 0 to {len(named) - 1}")
    places = _places(metadata, len(named))
    return [
        _weight(position, path, places[position], tensors[name], lines, reasons)
        for position, path, name in named
    ]


def _lines(metadata: dict) -> dict[str, dict]:
    # What the file says of weights with codes, by position.
    lines = metadata.get("weights")
    if not isinstance(lines, dict) or not isinstance(metadata.get("skipped"), dict):
        raise FileFormatError("its metadata name no weights of a model")
    if not all(isinstance(line, dict) for line in lines.values()):
        raise FileFormatError("its metadata's weights hold what is no object")
    return lines


def _reasons(metadata: dict) -> dict[int, str]:
    # Why weights are float, by position.
    reasons = {}
    for reason, positions in metadata["skipped"].items():
        if not isinstance(positions, list):
            raise FileFormatError(f"its skipped weights are wrong at {short(reason)}")
        reasons |= {position: reason for position in positions if isinstance(position, int)}
    return reasons


def _state_names(metadata: dict) -> set[str]:
    # Of the tensors that `STATE_FIELDS` speak of, rightly or not.
    fields = [metadata.get(field) for field in STATE_FIELDS]
    kept = [each for field in fields if isinstance(field, dict) for each in field.values()]
    values = [value for each in kept if isinstance(each, dict) for value in each.values()]
    names = [value[0] if isinstance(value, list) and value else value for value in values]
    return {name for name in names if isinstance(name, str)}


def _places(metadata: dict, number: int) -> list[str | None]:
    places = metadata.get("places")
    if places is None:
        return [None] * number
    legal = isinstance(places, list) and all(isinstance(place, str) for place in places)
    if not legal or len(places) != number or len(set(places)) != number:
        raise FileFormatError("its list of the places of weights is not one")
    return places


def _parse(name: str) -> tuple[int, str]:
    match = _NAME.fullmatch(name)
    if not match:
        raise FileFormatError(f"the name {short(name)} is not one of a model's weight")
    return int(match[1]), match[2]


def _weight(position: int, path: str, place, tensor, lines: dict, reasons: dict) -> StoredWeight:
    if isinstance(tensor, np.ndarray):
        reason = reasons.get(position, "unknown")
        return StoredWeight(position, path, place, tensor, reason=reason)
    name = short(make_name(position, path))
    if not isinstance(tensor, BinaryCodes):
        raise FileFormatError(f"{type(tensor).__name__} of {name} are not codes of a model")
    line = lines.get(str(position))
    try:
        view, error = MatrixView.from_dict(line["view"]), float(line["error"])
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise FileFormatError(
            f"its metadata's weights are wrong at {name}: {str(problem)[:300]}"
        ) from None
    if view.matrix_shape != tensor.shape or not math.isfinite(error):
        raise FileFormatError(f"its metadata's weights contradict the codes of {name}")
    return StoredWeight(position, path, place, tensor, view, error)
