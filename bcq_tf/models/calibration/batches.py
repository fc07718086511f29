"""Calibration data, in whatever form `fit` takes it, as batches of a model's inputs."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import keras
import numpy as np

from bcq_tf.shown import short


def input_batches(model, data, batch_size: int) -> list:
    """The inputs x of each batch, as the model is called with them.

    Args:
        model: with a KerasHub preprocessor, strings pass through it.
        data: arrays (or a list or dict of them, or a tuple (x, y) or (x, y, weights)), cut into
            batches here; or what gives batches: a `tf.data.Dataset`, a `PyDataset`, a generator.
        batch_size: samples of a batch that is cut here.

    Raises:
        TypeError, ValueError: it is none of these, or has no batch.
    """
    if isinstance(data, keras.utils.PyDataset):
        data = (data[i] for i in range(len(data)))
    elif not _gives_batches(data):
        data = _cut(keras.utils.unpack_x_y_sample_weight(data)[0], batch_size)
    batches = [keras.utils.unpack_x_y_sample_weight(batch)[0] for batch in data]
    if not batches:
        raise ValueError("`calibration` must have a batch. Received: none")
    return [_preprocessed(model, x) for x in batches]


def _gives_batches(data) -> bool:
    if hasattr(data, "shape") or isinstance(data, (list, tuple, dict)):
        return False
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        return True
    raise TypeError(
        "`calibration` must be arrays, a tf.data.Dataset, a PyDataset or a generator. "
        f"Received: {short(data)}"
    )


def _cut(x, batch_size: int):
    leaves = keras.tree.flatten(x)
    if any(isinstance(leaf, str) for leaf in leaves):
        x = np.array(x)  # texts
        leaves = [x]
    for begin in range(0, len(leaves[0]) if leaves else 0, batch_size):
        part = slice(begin, begin + batch_size)
        yield keras.tree.map_structure(operator.itemgetter(part), x)


def _preprocessed(model, x):
    preprocessor = getattr(model, "preprocessor", None)
    if preprocessor is None or not any(_is_text(leaf) for leaf in keras.tree.flatten(x)):
        return x
    return keras.utils.unpack_x_y_sample_weight(preprocessor(x))[0]


def _is_text(leaf) -> bool:
    dtype = str(getattr(leaf, "dtype", ""))
    return (
        isinstance(leaf, (str, bytes)) or "string" in dtype or dtype.startswith(("<U", "|S", "O"))
    )
