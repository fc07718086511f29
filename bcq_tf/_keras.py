"""The private Keras names that the library needs, in one place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import keras
from keras.src.callbacks.monitor_callback import MonitorCallback
from keras.src.utils.io_utils import print_msg as print_message

__all__ = [
    "MonitorCallback",
    "callbacks_of_this_fit",
    "print_message",
    "serialized_model",
    "sublayers",
    "sync_variables",
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


def sync_variables(model) -> None:
    """Makes the variables hold what training has made of them.

    On JAX they lag behind while `fit` runs; after this, `fit` also sees what is assigned to them.
    """
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()
