"""Variables that wait for their values while a model is made: a loaded model has no use for others.

Keras has a scope for this (`StatelessScope`), but in it no variable can be made from a value, as
optimizers, states of recurrent layers and many a user's layer do, and what is assigned is lost.
"""

from __future__ import annotations

import contextlib
import threading
import weakref

import keras
import numpy as np


class _Waiting(threading.local):
    made: list | None = None  # weak references to this thread's variables, within the context


_waiting = _Waiting()
_lock = threading.Lock()
_depth = 0  # how many threads are within the context
_own = {}  # Keras' methods that stand aside meanwhile


@contextlib.contextmanager
def deferred_variables():
    """Variables that this thread makes from an initializer wait for their value in this context.

    They take no memory until then. One that is assigned has it at once; read, they give what the
    initializer gives. Yields the list of them, for `initialize_rest`. Within another such context
    they stand in the list of that one.
    """
    if _waiting.made is not None:
        yield _waiting.made
        return
    with _standing_in():
        _waiting.made = made = []
        try:
            yield made
        finally:
            _waiting.made = None


def deferred_model(config: dict, custom_objects=None, safe_mode: bool | None = None) -> tuple:
    """The model of a Keras config, and its variables, which are `deferred_variables`."""
    with deferred_variables() as made:
        # A copy, as Keras takes a config apart while it reads it.
        model = keras.saving.deserialize_keras_object(
            _not_compiled(config), custom_objects, safe_mode
        )
    return model, made


def initialize_rest(made: list) -> None:
    """Gives those of the `made` variables that have no value that of their initializer.

    Not those that `remove_variable` took away. Within `deferred_variables` they wait on.
    """
    if _waiting.made is not None:
        return
    for reference in made:
        variable = reference()
        if variable is not None and _waits(variable):
            initialize(variable)


def initialize(variable, value=None) -> None:
    """Gives a variable its value: `value`, or for a deferred one by its initializer.

    Raises:
        ValueError: the value is of another shape.
    """
    if value is not None and tuple(np.shape(value)) != tuple(variable.shape):
        raise ValueError(
            f"`{variable.name}` must be {list(variable.shape)}. Received: {list(np.shape(value))}"
        )
    if _waits(variable):
        _give(variable, variable._initializer if value is None else _constant(value))
    elif value is not None:
        variable.assign(value)


def _not_compiled(config):
    # A copy without optimizers, whose slots would take memory.
    if isinstance(config, dict):
        return {k: _not_compiled(v) for k, v in config.items() if k != "compile_config"}
    return [_not_compiled(v) for v in config] if isinstance(config, list) else config


def _constant(value):
    return lambda shape, dtype: keras.ops.convert_to_tensor(value, dtype)


@contextlib.contextmanager
def _standing_in():
    global _depth
    with _lock:
        if not _depth:
            for method in (_initialize_with_initializer, _deferred_initialize, _direct_assign):
                _own[method.__name__] = getattr(keras.Variable, method.__name__)
                setattr(keras.Variable, method.__name__, method)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                for name, method in _own.items():
                    setattr(keras.Variable, name, method)
                _own.clear()


def _keras_method(name: str):
    return _own.get(name) or getattr(keras.Variable, name)


def _waits(variable) -> bool:
    # One that was taken away has neither, and one that is being made on JAX has no value yet.
    return getattr(variable, "_value", None) is None and variable._initializer is not None


def _give(variable, initializer) -> None:
    variable._initializer = None
    _keras_method("_initialize_with_initializer")(variable, initializer)


# What stands in place of the methods of `keras.Variable`, with their names.


def _initialize_with_initializer(variable, initializer) -> None:
    if _waiting.made is None:
        _keras_method("_initialize_with_initializer")(variable, initializer)
        return
    variable._value, variable._initializer = None, initializer
    _waiting.made.append(weakref.ref(variable))


def _deferred_initialize(variable) -> None:
    # Keras defers by itself what is made while it traces a layer's call.
    if _waiting.made is None:
        _keras_method("_deferred_initialize")(variable)
        return
    _waiting.made.append(weakref.ref(variable))


def _direct_assign(variable, value) -> None:
    if _waits(variable):
        _give(variable, _constant(value))
    else:
        _keras_method("_direct_assign")(variable, value)
