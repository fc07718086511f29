"""What layers save and load in a way of their own, beside their variables; assets.

Keras' names for it are `save_own_variables`, `load_own_variables`, `save_assets`, `load_assets`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

# Layers in these modules assign variables and do no more.
_PLAIN = ("keras.src.layers.core.", "keras.src.layers.convolutional.", "bcq_tf.layers.")


def saves_more(layer) -> bool:
    """Whether a layer saves other values than its variables, as far as its class tells."""
    return _has_own(layer, "save_own_variables")


def restores_more(layer) -> bool:
    """Whether a layer does more when it is loaded than to assign variables."""
    return _has_own(layer, "load_own_variables")


def save_state(layer) -> dict:
    """What a layer saves, by key: variables, arrays or numbers."""
    store = {}
    layer.save_own_variables(store)
    return store


def load_state(layer, store: dict) -> None:
    """Loads what `save_state` gave, its variables as arrays."""
    layer.load_own_variables({key: np.asarray(value) for key, value in store.items()})


def has_assets(layer) -> bool:
    """Whether a layer is of a kind that keeps files."""
    return hasattr(layer, "load_assets")


def save_assets(layer) -> dict[str, np.ndarray]:
    """The files that a layer saves, as uint8 [bytes] by relative path with slashes."""
    with tempfile.TemporaryDirectory() as folder:
        layer.save_assets(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): np.frombuffer(path.read_bytes(), np.uint8)
            for path in files
        }


def load_assets(layer, files: dict[str, np.ndarray]) -> None:
    """Gives a layer that `has_assets` what `save_assets` gave. The paths must be safe ones."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.tobytes())
        layer.load_assets(folder)


def _has_own(layer, method: str) -> bool:
    function = getattr(type(layer), method)
    inherited = function is getattr(keras.layers.Layer, method)
    return not inherited and not function.__module__.startswith(_PLAIN)
