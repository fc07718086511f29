"""What a model is run on: arrays of a file, or random ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.cli.errors import UserError, blaming_input, one_line
from bcq_tf.cli.models import check_exists

TARGET = "y"
RANDOM_LENGTH = 16  # of an axis of no fixed length
SEED = 0


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Arrays for a model's inputs."""

    arrays: tuple[np.ndarray, ...]  # one an input, in their order, of equal length
    target: np.ndarray | None  # what the model should answer
    origin: str  # where they come from, for people

    @property
    def rows(self) -> int:
        """The length of the arrays."""
        return len(self.arrays[0])

    def batches(self, size: int):
        """Yields tuples of slices of at most `size` rows."""
        for begin in range(0, self.rows, size):
            yield tuple(array[begin : begin + size] for array in self.arrays)


def read_inputs(path: str, model) -> Inputs:
    """The arrays of an `.npz` file for `model`.

    Arrays are matched by name where they have the names of the model's inputs, else by their order;
    that named "y" is the target. Raises UserError where they do not fit the model.
    """
    arrays = _load(path)
    target = arrays.pop(TARGET, None)
    names = _input_names(model)
    if names is not None and set(names) == set(arrays):
        arrays = {name: arrays[name] for name in names}
    wanted = len(names) if names is not None else "some"
    if not arrays or (names is not None and len(arrays) != wanted):
        raise UserError(
            f"`--data` must have an array for each of {wanted} inputs of the model. "
            f"Received: {len(arrays)} ({', '.join(arrays) or 'none'}) in {path}"
        )
    _check_lengths(path, arrays if target is None else arrays | {TARGET: target})
    return Inputs(tuple(arrays.values()), target, path)


def random_inputs(model, rows: int) -> Inputs:
    """Random arrays of the shapes and dtypes of a model's inputs.

    Floats are normal, integers are rows of the smallest embedding of the model; axes of no fixed
    length have `RANDOM_LENGTH`. Raises UserError where the model does not say what its inputs are.
    """
    inputs = _declared(model)
    if inputs is None:
        raise UserError(
            "`--data` must be given, since the model's class does not say what its inputs are. "
            f"Received: a {type(model).__name__}"
        )
    rng = np.random.default_rng(SEED)
    limit = _smallest_vocabulary(model)
    arrays = tuple(_random(rng, _shape(tensor, rows), tensor.dtype, limit) for tensor in inputs)
    return Inputs(arrays, None, f"random, of the shapes and dtypes of the inputs, seed {SEED}")


def arranged(model, tensors: tuple):
    """Tensors, one an input, in the structure that `model` takes: itself, tuple, list or dict."""
    import keras

    from bcq_tf._keras import input_signature

    if _declared(model) is None:
        return tensors[0] if len(tensors) == 1 else tensors
    (structure,) = input_signature(model)
    return keras.tree.pack_sequence_as(structure, tensors)


def predict(model, tensors: tuple) -> list[np.ndarray]:
    """The outputs of a model, as a flat list, for arrays, one an input."""
    import keras

    with running():
        return keras.tree.flatten(model.predict_on_batch(arranged(model, tensors)))


def running():
    """A context in which whatever a model raises on its inputs is a `UserError`."""
    return blaming_input("the model does not run on these inputs", (Exception,))


def _load(path: str) -> dict[str, np.ndarray]:
    check_exists(path)
    try:
        with np.load(path) as opened:
            arrays = {name: opened[name] for name in opened.files}
    except Exception as error:  # NumPy evaluates headers, and nearly anything may come of it
        raise UserError(f"'{path}' is no .npz file of arrays: {one_line(error)}") from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise UserError(f"'{path}' is no .npz file of arrays: it holds other files")
    return arrays


def _check_lengths(path: str, arrays: dict[str, np.ndarray]) -> None:
    lengths = {name: len(array) if array.ndim else None for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or not all(lengths.values()):
        raise UserError(
            f"`--data` must have arrays of one length, at least 1. Received: {lengths} in {path}"
        )


def _declared(model) -> list | None:
    # The symbolic inputs of functional and sequential models.
    inputs = getattr(model, "inputs", None)
    return list(inputs) if inputs else None


def _input_names(model) -> list[str] | None:
    inputs = _declared(model)
    return None if inputs is None else [tensor.name for tensor in inputs]


def _shape(tensor, rows: int) -> tuple[int, ...]:
    _, *rest = tensor.shape
    return (rows, *(RANDOM_LENGTH if length is None else length for length in rest))


def _random(rng, shape: tuple[int, ...], dtype: str, limit: int) -> np.ndarray:
    if "int" in dtype:
        return rng.integers(0, limit, shape).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if "float" not in dtype:
        raise UserError(f"`--data` must be given, since the model has an input of dtype {dtype}")
    # NumPy has no bfloat16; the model casts float32 where it wants it.
    return rng.standard_normal(shape).astype("float32")


def _smallest_vocabulary(model) -> int:
    import keras

    from bcq_tf._keras import walk_layers

    layers = walk_layers(model)
    sizes = [layer.input_dim for layer in layers if isinstance(layer, keras.layers.Embedding)]
    return min(sizes, default=2)
