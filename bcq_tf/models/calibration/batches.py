"""Calibration data, in whatever form `fit` takes it, as batches."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import NoReturn

import keras
import numpy as np

from bcq_tf.shown import short


def batches_of(model, data, batch_size: int) -> list[tuple]:
    """The batches (x, y, sample weights) of calibration data; y and weights may be None.

    Args:
        model: with a KerasHub preprocessor, strings pass through it.
        data: arrays (or a list or dict of them, or a tuple (x, y) or (x, y, weights)), cut into
            batches here; or what gives batches and ends: a `tf.data.Dataset`, a `PyDataset`, a
            generator.
        batch_size: samples of a batch that is cut here.

    Raises:
        TypeError, ValueError: it is none of these, has no batch, or says that it has no end.
    """
    if _is_endless(data):
        raise ValueError(
            "`calibration` must end, see `take` of a tf.data.Dataset. "
            f"Received: {type(data).__name__} without an end"
        )
    if isinstance(data, keras.utils.PyDataset):
        data = map(data.__getitem__, range(len(data)))
    elif not _gives_batches(data):
        data = _cut(data, batch_size)
    batches = [keras.utils.unpack_x_y_sample_weight(batch) for batch in data]
    if not batches:
        raise ValueError("`calibration` must have a batch. Received: none")
    batches = [_preprocessed(model, batch) for batch in batches]
    _check_inputs(model, batches[0][0])
    return batches


def _is_endless(data) -> bool:
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches is None
    cardinality = getattr(data, "cardinality", None)  # of a tf.data.Dataset, -1 where it repeats
    return callable(cardinality) and int(cardinality()) == -1


def _gives_batches(data) -> bool:
    if hasattr(data, "shape") or isinstance(data, (list, tuple, dict)):
        return False
    if isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        return True
    _refuse(data)


def _refuse(data) -> NoReturn:
    raise TypeError(
        "`calibration` must be arrays, a tf.data.Dataset, a PyDataset or a generator. "
        f"Received: {short(data)}"
    )


def _cut(data, batch_size: int):
    if isinstance(data, list) and data and all(isinstance(text, str) for text in data):
        data = np.array(data)
    if isinstance(data, list):
        data = (data,)  # inputs alone, as for `fit`
    leaves = keras.tree.flatten(data)
    for leaf in leaves:
        if not getattr(leaf, "shape", ()):
            _refuse(leaf)
    for begin in range(0, len(leaves[0]) if leaves else 0, batch_size):
        part = slice(begin, begin + batch_size)
        yield keras.tree.map_structure(operator.itemgetter(part), data)


def _preprocessed(model, batch: tuple) -> tuple:
    x, y, weights = batch
    preprocessor = getattr(model, "preprocessor", None)
    if preprocessor is None or not any(_is_text(leaf) for leaf in keras.tree.flatten(x)):
        return batch
    try:
        made = preprocessor(x, y=y, sample_weight=weights)
    except TypeError:  # a layer that takes inputs alone
        made = preprocessor(x), y, weights
    return keras.utils.unpack_x_y_sample_weight(made)


def _check_inputs(model, x) -> None:
    # Keras takes the first of too many.
    wanted, received = getattr(model, "inputs", None), len(keras.tree.flatten(x))
    if wanted is not None and len(wanted) != received:
        raise ValueError(
            f"`calibration` must hold batches that the model takes, of {len(wanted)} inputs. "
            f"Received: {received}"
        )


def _is_text(leaf) -> bool:
    dtype = str(getattr(leaf, "dtype", ""))
    return (
        isinstance(leaf, (str, bytes)) or "string" in dtype or dtype.startswith(("<U", "|S", "O"))
    )
