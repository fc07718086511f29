"""Variables of layers: read, written part by part, taken away and given back."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable

import keras
import numpy as np

from bcq_tf._keras.distribution import gathered


def as_array(variable) -> np.ndarray:
    """The value of a variable, for reading; on TensorFlow, where it can be, without a copy, on JAX
    whole wherever its parts are."""
    if keras.backend.backend() == "tensorflow":
        return np.asarray(variable.value.read_value())
    if keras.backend.backend() == "jax":
        return gathered(variable.value)
    return keras.ops.convert_to_numpy(variable)


def assign_rows(variable, blocks: Iterable[tuple[slice, np.ndarray]]) -> None:
    """Assigns a variable part by part: `blocks` are (rows, values) that make up all of it.

    Where the backend's variable can be written in place no second copy of it is made.
    """
    if keras.backend.backend() == "tensorflow" and not hasattr(variable.value, "values"):
        from tensorflow.raw_ops import ResourceStridedSliceAssign

        # `variable[rows].assign` makes a copy of the rows that waits for the garbage collector.
        for rows, values in blocks:
            ResourceStridedSliceAssign(
                ref=variable.value.handle,
                begin=[rows.start],
                end=[rows.stop],
                strides=[1],
                value=values.astype(variable.dtype, copy=False),
            )
        return
    variable.assign(np.concatenate([values for _, values in blocks]))


_STORES = "trainable_variables", "non_trainable_variables"


@dataclasses.dataclass(frozen=True)
class LostVariable:
    """What is kept of a variable that a layer no longer has, to make it again.

    Args:
        attribute: of the layer, that held it.
        store: which list of the layer's variables it stood in, as Keras's tracker calls it.
        index: where it stood there.
        frozen: whether it does not train even where its layer does.
        settings: of `keras.Variable`.
        own: other attributes of the variable.
    """

    attribute: str
    store: str
    index: int
    frozen: bool
    settings: dict
    own: dict


def held_variable(layer, name: str):
    """The variable of a layer's weight, by the name that its class has for it, or None.

    `layer.kernel`, or the like, may be another value that is made of it.
    """
    return getattr(layer, _held_as(layer, name), None)


def remove_variable(layer, name: str) -> LostVariable:
    """Takes the `held_variable` away from a layer; the attribute is None then.

    `del` would do, but runs the garbage collector each time.
    """
    attribute = _held_as(layer, name)
    variable = getattr(layer, attribute)
    store, index = _place(layer, variable)
    lost = LostVariable(
        attribute,
        store,
        index,
        frozen=not variable.trainable and (layer.trainable or store != _STORES[0]),
        settings={
            "dtype": variable.dtype,
            "autocast": variable._autocast,
            "aggregation": variable.aggregation,
            "name": variable.name,
        },
        own={
            "regularizer": variable.regularizer,
            "constraint": variable.constraint,
            "_path": variable.path,
        },
    )
    layer._untrack_variable(variable)
    forget(layer, attribute)
    variable._initializer = None  # where it waits for its value, it is not given one any more
    return lost


def restore_variable(layer, lost: LostVariable, value) -> keras.Variable:
    """Gives the layer a variable where it had it before `remove_variable`, and returns it.

    It trains where the layer now does. Of several, the one that was removed last comes first.

    value: of the variable; or a variable that another layer was given, to be shared.
    """
    trainable = layer.trainable and not lost.frozen
    if isinstance(value, keras.Variable):
        variable = value
        variable.trainable = variable.trainable and trainable
    else:
        variable = keras.Variable(value, trainable=trainable, **lost.settings)
        for name, own in lost.own.items():
            setattr(variable, name, own)
    tracker = layer._tracker
    with unlocked(layer):
        setattr(layer, lost.attribute, variable)
        tracker.untrack(variable)  # from the list that Keras chose by what trains now
        tracker.add_to_store(lost.store, variable)
    variables = tracker.config[lost.store][1]
    variables.insert(lost.index, variables.pop())
    return variable


@contextlib.contextmanager
def unlocked(layer):
    """Variables can be added to a built layer in this context."""
    tracker = layer._tracker
    locked = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        if locked:
            tracker.lock()


def _held_as(layer, name: str) -> str:
    # Many classes have `kernel` as a property, of a weight in `_kernel`.
    return f"_{name}" if f"_{name}" in vars(layer) else name


def _place(layer, variable) -> tuple[str, int]:
    # A variable of a layer that was frozen later stays in the list that it was put in.
    ids = {store: [id(v) for v in layer._tracker.config[store][1]] for store in _STORES}
    store = next(store for store in _STORES if id(variable) in ids[store])
    return store, ids[store].index(id(variable))


def forget(layer, attribute: str) -> None:
    if hasattr(layer, "_delete_tracking"):  # TensorFlow's list of what an object holds
        layer._delete_tracking(attribute)
    layer.__dict__[attribute] = None
