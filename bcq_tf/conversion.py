"""From a file's tensors to a model's weights."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf import file
from bcq_tf.codes import BinaryCodes
from bcq_tf.file import FileFormatError
from bcq_tf.matrix_view import MatrixView


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A line of the table of weights, checked: where its tensor goes and how it is seen."""

    position: int
    path: str
    shape: tuple[int, ...]
    tensor: BinaryCodes | np.ndarray
    view: MatrixView | None

    def value(self) -> np.ndarray:
        if self.view is None:
            return self.tensor
        return self.view.from_matrix(self.tensor.reconstruct())


def load_weights(model, path) -> None:
    """Gives a model the weights of a `.bcq.npy` file; those with codes take the codes' values.

    Weights are matched by their position in `model.weights` and their shape, since layer names
    differ from process to process.

    Args:
        model: a built Keras model of the architecture that the file was made from.
        path: a file that `BCQCallback` or `quantize_model` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or does not say which weights it holds.
        ValueError: the model's weights are not those of the file. The model is unchanged then.
    """
    opened = file.read(path)
    try:
        put_tensors(model, opened, opened.metadata)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None


def put_tensors(model, tensors, metadata: dict) -> None:
    """Assigns `tensors`, which `metadata["weights"]` describes, to the model's variables.

    All is checked before the first assignment. Raises as `load_weights` does.
    """
    entries = _read_table(tensors, metadata)
    variables = model.weights
    if len(variables) != len(entries):
        raise ValueError(
            f"`model` must have the file's {len(entries)} weights. Received: {len(variables)}"
        )
    for entry in entries:
        variable = variables[entry.position]
        if tuple(variable.shape) != entry.shape:
            raise ValueError(
                f"`model` must have shape {list(entry.shape)} at weight {entry.position} "
                f"({entry.path!r}). Received: {list(variable.shape)} ({variable.path!r})"
            )
    for entry in entries:
        variables[entry.position].assign(entry.value())


def _read_table(tensors, metadata: dict) -> list[_Entry]:
    table = metadata.get("weights")
    if not isinstance(table, dict):
        raise FileFormatError("its metadata have no table of a model's weights")
    entries = [_read_entry(name, line, tensors) for name, line in table.items()]
    if sorted(entry.position for entry in entries) != list(range(len(entries))):
        raise FileFormatError(f"the positions of its weights are not 0 to {len(entries) - 1}")
    return entries


def _read_entry(name: str, line, tensors) -> _Entry:
    try:
        tensor = tensors[name]
        position, path, shape = line["position"], line["path"], tuple(line["shape"])
        view = MatrixView.from_dict(line["view"]) if isinstance(tensor, BinaryCodes) else None
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"its table of weights is wrong at {name!r} ({reason})") from None
    if type(position) is not int or not isinstance(path, str):
        raise FileFormatError(f"its table of weights is wrong at {name!r} (position or path)")
    stored = tensor.shape if view is None else view.shape
    if shape != stored or (view is not None and view.matrix_shape != tensor.shape):
        raise FileFormatError(f"the shape in its table of weights is wrong at {name!r}")
    return _Entry(position, path, shape, tensor, view)
