"""The private Keras names that the library needs, in one place."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import sys
from collections.abc import Iterable, Iterator

import keras
import numpy as np
from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.callbacks.monitor_callback import MonitorCallback
from keras.src.export.export_utils import get_input_signature as input_signature
from keras.src.models.functional import Functional
from keras.src.saving.object_registration import GLOBAL_CUSTOM_NAMES
from keras.src.utils.io_utils import print_msg as print_message

__all__ = [
    "LostVariable",
    "MonitorCallback",
    "as_array",
    "assign_rows",
    "callbacks_of_this_fit",
    "deferred_model",
    "deferred_variables",
    "forget_training",
    "initialize",
    "initialize_rest",
    "input_signature",
    "layers_by_path",
    "own_variables",
    "print_message",
    "register_name",
    "remove_variable",
    "restore_variable",
    "serialized_model",
    "sublayers",
    "sync_variables",
    "unlocked",
    "walk_layers",
]


def walk_layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields `layer` and every layer inside it once, in the order of `layer.weights`."""
    seen = set()

    def walk(node):
        if id(node) in seen:
            return
        seen.add(id(node))
        yield node
        for child in sublayers(node):
            yield from walk(child)

    return walk(layer)


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers directly inside `layer`, in the order of `layer.weights`."""
    return layer._flatten_layers(include_self=False, recursive=False)


def layers_by_path(model) -> dict[str, keras.layers.Layer]:
    """`model`, as "", and every layer inside it once, by the attributes that lead there.

    Keras finds weights in files in this way. Unlike names and the order in which layers were made,
    paths are the same in a model that is made from the config, whatever was done to this one since.
    """
    left = {id(layer) for layer in walk_layers(model)}
    found = {}

    def visit(value, path: str):
        if isinstance(value, keras.layers.Layer):
            if id(value) not in left:
                return
            left.remove(id(value))
            found[path] = value
            value = _own_attributes(value)
        elif isinstance(value, (list, tuple)):
            value = dict(enumerate(value))
        for name, child in value.items() if isinstance(value, dict) else ():
            visit(child, f"{path}/{name}")

    visit(model, "")
    return found


@functools.cache
def _common_attributes() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer(name="any")))


def _own_attributes(layer) -> dict:
    # Without what Keras and TensorFlow keep in every layer, such as lists in order of making.
    own = {
        name: value
        for name, value in sorted(vars(layer).items())
        if name not in _common_attributes() and not name.startswith("_self_unconditional")
    }
    graph = isinstance(layer, (Functional, keras.Sequential))
    return ({"layers": layer.layers} if graph else {}) | own


def own_variables(layer: keras.layers.Layer) -> list:
    """The variables that `layer` tracks itself; layers inside it may hold some of them too."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def as_array(variable) -> np.ndarray:
    """The value of a variable, for reading; on TensorFlow, where it can be, without a copy."""
    if keras.backend.backend() == "tensorflow":
        return np.asarray(variable.value.read_value())
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


def callbacks_of_this_fit(callback) -> list:
    """The list of callbacks that `callback`, called from it, stands in; empty where there is none.

    A Keras callback is not told which others stand beside it, so this looks at the callers.
    """
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList) and callback in caller.callbacks:
            return list(caller.callbacks)
        frame = frame.f_back
    return []


def serialized_model(model) -> dict | None:
    """The Keras config that `keras.saving.deserialize_keras_object` takes, as JSON-able data.

    None where the model has none: a subclassed model without `get_config`.
    """
    try:
        config = keras.saving.serialize_keras_object(model)
        return json.loads(json.dumps(config, allow_nan=False))
    except (NotImplementedError, TypeError, ValueError):
        return None


def forget_training(model) -> None:
    """Makes the model as one not compiled; the optimizer and traced functions hold variables."""
    functions = "train_function", "test_function", "predict_function"
    for name in ("optimizer", "_compile_config", *functions):
        if getattr(model, name, None) is not None:
            _forget(model, name)
    model.compiled = False


def _forget(layer, attribute: str) -> None:
    if hasattr(layer, "_delete_tracking"):  # TensorFlow's list of what an object holds
        layer._delete_tracking(attribute)
    layer.__dict__[attribute] = None


def register_name(cls: type, name: str) -> None:
    """Makes Keras write `name`, of a registered class, into the files of instances of `cls`."""
    GLOBAL_CUSTOM_NAMES[cls] = name


def sync_variables(model) -> None:
    """Makes the variables hold what training has made of them.

    On JAX they lag behind while `fit` runs; after this, `fit` also sees what is assigned to them.
    """
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()


@contextlib.contextmanager
def deferred_variables():
    """Variables that Keras makes in this context have no value and take no memory.

    Yields the list of them. Each that is kept must be given its value with `initialize`; the others
    are forgotten when the context ends. Within another such context they also stand in its list.
    """
    earlier = get_global_attribute("uninitialized_variables", [])
    made = []
    set_global_attribute("uninitialized_variables", made)
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield made
    finally:
        if in_stateless_scope():
            earlier.extend(made)
        set_global_attribute("uninitialized_variables", earlier)


def deferred_model(config: dict, custom_objects=None) -> tuple:
    """The model of a Keras config, and its variables, which are `deferred_variables`."""
    with deferred_variables() as made:
        # A copy, as Keras takes a config apart while it reads it.
        model = keras.saving.deserialize_keras_object(_not_compiled(config), custom_objects)
    return model, made


def _not_compiled(config):
    # A copy without optimizers, whose variables cannot wait for their values.
    if isinstance(config, dict):
        return {k: _not_compiled(v) for k, v in config.items() if k != "compile_config"}
    return [_not_compiled(v) for v in config] if isinstance(config, list) else config


def initialize_rest(model, made: list) -> None:
    """Gives those of the `made` variables that the model still has, and that have none, values.

    Within `deferred_variables` they wait on.
    """
    if in_stateless_scope():
        return
    kept = {id(variable) for variable in model.variables}
    for variable in made:
        if id(variable) in kept and not _has_value(variable):
            initialize(variable)


def _has_value(variable) -> bool:
    """Whether the variable is not one of `deferred_variables` that still waits for its value."""
    return variable._value is not None


def initialize(variable, value=None) -> None:
    """Gives a variable its value: `value`, or for a deferred one by its initializer.

    Raises:
        ValueError: the value is of another shape.
    """
    if value is not None and tuple(np.shape(value)) != tuple(variable.shape):
        raise ValueError(
            f"`{variable.name}` must be {list(variable.shape)}. Received: {list(np.shape(value))}"
        )
    if _has_value(variable):
        if value is not None:
            variable.assign(value)
    elif value is None:
        variable._deferred_initialize()
    else:
        variable._initialize_with_initializer(lambda shape, dtype: _as_tensor(value, dtype))
        variable._initializer = None


def _as_tensor(value, dtype):
    return keras.ops.convert_to_tensor(value, dtype)


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


def remove_variable(layer, attribute: str) -> LostVariable:
    """Takes the variable in `layer.<attribute>` away; the attribute is None then.

    `del layer.<attribute>` would do, but runs the garbage collector each time.
    """
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
    _forget(layer, attribute)
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


def _place(layer, variable) -> tuple[str, int]:
    # A variable of a layer that was frozen later stays in the list that it was put in.
    ids = {store: [id(v) for v in layer._tracker.config[store][1]] for store in _STORES}
    store = next(store for store in _STORES if id(variable) in ids[store])
    return store, ids[store].index(id(variable))
