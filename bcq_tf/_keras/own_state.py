"""What layers and metrics save and load in a way of their own, beside their variables; assets.

Keras' names for it are `save_own_variables`, `load_own_variables`, `save_assets`, `load_assets`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

# Layers in these modules assign variables and do no more.
_PLAIN = ("keras.src.layers.core.", "keras.src.layers.convolutional.")


def saves_more(saveable) -> bool:
    """Whether it saves other values than its variables, as far as its class tells."""
    return _has_own(saveable, "save_own_variables") or isinstance(saveable, keras.metrics.Metric)


def restores_more(saveable) -> bool:
    """Whether it does more when it is loaded than to assign variables."""
    return _has_own(saveable, "load_own_variables")


def save_state(saveable) -> dict:
    """What it saves, by key: variables, arrays or numbers."""
    store = {}
    saveable.save_own_variables(store)
    return store


def load_state(saveable, store: dict) -> None:
    """Loads what `save_state` gave, its variables as arrays."""
    saveable.load_own_variables({key: np.asarray(value) for key, value in store.items()})


def save_assets(saveable) -> dict[str, np.ndarray]:
    """The files that it saves beside variables, as uint8 [bytes] by relative path with slashes."""
    if not hasattr(saveable, "save_assets"):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        saveable.save_assets(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): np.frombuffer(path.read_bytes(), np.uint8)
            for path in files
        }


def load_assets(saveable, files: dict[str, np.ndarray]) -> None:
    """Loads what `save_assets` gave. The paths must be safe ones."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.tobytes())
        saveable.load_assets(folder)


def _has_own(saveable, method: str) -> bool:
    function = getattr(type(saveable), method, None)
    if function is None:
        return False
    base = keras.layers.Layer if isinstance(saveable, keras.layers.Layer) else keras.metrics.Metric
    if function is getattr(base, method):
        return False
    return not function.__module__.startswith(_PLAIN)
