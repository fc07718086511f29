"""From a file's tensors to a model's weights."""

from __future__ import annotations

from bcq_tf import file
from bcq_tf.file import FileFormatError
from bcq_tf.model_table import read_table


def load_weights(model, path) -> None:
    """Gives a model the weights of a `.bcq.npy` file; those with codes take the codes' values.

    Weights are matched by their position in `model.weights` and their shape, since layer names
    differ from process to process.

    Args:
        model: a built Keras model of the architecture that the file was made from.
        path: a file that `BCQCallback` or `quantize_model` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: it is damaged, or holds no model's weights.
        ValueError: the model's weights are not those of the file. The model is unchanged then.
    """
    opened = file.read(path)
    try:
        put_tensors(model, opened, opened.metadata)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from None


def put_tensors(model, tensors, metadata: dict) -> None:
    """Assigns `tensors` to the model's variables; see `bcq_tf.model_table.read_table`.

    All is checked before the first assignment. Raises as `load_weights` does.
    """
    entries, variables = read_table(tensors, metadata), model.weights
    if len(variables) != len(entries):
        raise ValueError(
            f"`model` must have the file's {len(entries)} weights. Received: {len(variables)}"
        )
    for entry, variable in zip(entries, variables, strict=True):
        if tuple(variable.shape) != entry.shape:
            raise ValueError(
                f"`model` must have shape {list(entry.shape)} at weight {entry.position} "
                f"({entry.path!r}). Received: {list(variable.shape)} ({variable.path!r})"
            )
    for entry, variable in zip(entries, variables, strict=True):
        variable.assign(entry.value())
