"""`ModelState`: what a model needs beside its weights to come back whole from a file."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from bcq_tf._keras import holders_by_path, overrides, set_special_tokens, special_tokens
from bcq_tf.files.container import FileFormatError
from bcq_tf.files.deflated import deflate, inflate
from bcq_tf.files.stored_weights import STATE_FIELDS, StoredWeight
from bcq_tf.shown import short

SPECIAL_TOKENS = "special_tokens.json"
"""Beside the files of a tokenizer of KerasHub: {name: token}."""
_TOKEN_NAME = re.compile(r"[a-z_]+_(token|placeholder)(_?\d+)?")


@dataclasses.dataclass(frozen=True, eq=False)
class ModelState:
    """What layers keep in a way of their own, and the files that they keep.

    Args:
        states: {path in the model: {key: value}}, what a layer's `save_own_variables` gives; a
            value is the position of a weight of the model, or an array.
        assets: {path in the model: {path of a file: uint8 [bytes]}}, what its `save_assets` writes:
            vocabularies, above all.
    """

    states: dict[str, dict[str, int | np.ndarray]]
    assets: dict[str, dict[str, np.ndarray]]

    def to_file(self) -> tuple[dict[str, np.ndarray], dict]:
        """(arrays by the names that they have in a file, what its metadata say of them).

        Equal files, such as a vocabulary that a layer and one inside it keep, are one array.
        """
        arrays, contents = {}, {}

        def named(field: str, path: str, key: str, value):
            if isinstance(value, int):
                return value
            name = f"{field}:{path}/{key}"
            if field == "states":
                arrays[name] = value
                return name
            content = value.tobytes()
            if content not in contents:
                small = deflate(value)
                arrays[name] = value if small is None else small
                contents[content] = name if small is None else [name, len(value)]
            return contents[content]

        metadata = {
            field: {
                path: {key: named(field, path, key, value) for key, value in kept.items()}
                for path, kept in getattr(self, field).items()
            }
            for field in STATE_FIELDS
        }
        return arrays, {field: layers for field, layers in metadata.items() if layers}

    @classmethod
    def from_file(cls, tensors: Mapping, metadata: dict, weights: int) -> ModelState:
        """The inverse of `to_file`, of a model with so many weights.

        Raises:
            FileFormatError: the metadata have no such fields, or contradict the tensors.
        """
        return cls(*(_read_field(field, tensors, metadata, weights) for field in STATE_FIELDS))

    def restore(self, model, weights: list[StoredWeight], assets: bool = True) -> None:
        """Does what Keras does after variables are assigned: layers load their state and files.

        weights: those of the file, which the model has. assets: whether files are loaded too.
        """
        layers = holders_by_path(model)
        for path, layer in layers.items():
            if path in self.states:
                kept = self.states[path].items()
                _load(layer, {k: weights[v].value() if isinstance(v, int) else v for k, v in kept})
            elif overrides(layer, "load_own_variables"):
                _load(layer, _saved(layer))
            if assets and path in self.assets and _has_assets(layer):
                _load_assets(layer, self.assets[path])
        self._warn_of_missing(layers)

    def _warn_of_missing(self, layers: dict) -> None:
        missing = [path for path in self.states if path not in layers]
        missing += [path for path in self.assets if not _has_assets(layers.get(path))]
        if missing:
            warnings.warn(
                "`model` lacks layers whose state the file holds, which is not loaded: "
                + ", ".join(map(short, missing[:3]))
                + (f" and {len(missing) - 3} more" if len(missing) > 3 else ""),
                stacklevel=2,
            )


def states_of(model) -> dict[str, dict[str, int | np.ndarray]]:
    """The present `states` of a built model."""
    positions = {id(variable): i for i, variable in enumerate(model.weights)}
    layers = holders_by_path(model).items()
    kept = {path: _saved(layer) for path, layer in layers if overrides(layer, "save_own_variables")}
    return {
        path: {
            key: positions[id(value)] if id(value) in positions else np.array(value)
            for key, value in state.items()
        }
        for path, state in kept.items()
        if state
    }


def assets_of(model) -> dict[str, dict[str, np.ndarray]]:
    """The `assets` of a built model."""
    layers = holders_by_path(model).items()
    kept = {path: _saved_assets(layer) for path, layer in layers if _has_assets(layer)}
    return {path: files for path, files in kept.items() if files}


def _saved(layer) -> dict:
    store = {}
    layer.save_own_variables(store)
    return store


def _load(layer, store: dict) -> None:
    layer.load_own_variables({key: np.asarray(value) for key, value in store.items()})


def _has_assets(layer) -> bool:
    return hasattr(layer, "load_assets")


def _saved_assets(layer) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        layer.save_assets(folder)
        if tokens := special_tokens(layer):
            Path(folder, SPECIAL_TOKENS).write_text(json.dumps(tokens), encoding="utf-8")
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): np.frombuffer(path.read_bytes(), np.uint8)
            for path in files
        }


def _load_assets(layer, files: dict[str, np.ndarray]) -> None:
    if SPECIAL_TOKENS in files and special_tokens(layer):
        set_special_tokens(layer, _read_tokens(files[SPECIAL_TOKENS]))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)  # a safe one, see `_is_safe`
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.tobytes())
        layer.load_assets(folder)


def _read_tokens(content: np.ndarray) -> dict[str, str]:
    try:
        tokens = json.loads(content.tobytes())
    except ValueError as error:
        raise FileFormatError(f"its {SPECIAL_TOKENS} is no JSON") from error
    legal = isinstance(tokens, dict) and all(
        isinstance(token, str) and _TOKEN_NAME.fullmatch(name) for name, token in tokens.items()
    )
    if not legal:
        raise FileFormatError(f"its {SPECIAL_TOKENS} must name tokens. Received: {short(tokens)}")
    return tokens


def _read_field(field: str, tensors: Mapping, metadata: dict, weights: int) -> dict:
    layers = metadata.get(field, {})
    if not isinstance(layers, dict) or not all(isinstance(kept, dict) for kept in layers.values()):
        raise FileFormatError(f"its metadata's {field} are no objects")
    return {
        path: {key: _read(field, key, value, tensors, weights) for key, value in kept.items()}
        for path, kept in layers.items()
    }


def _read(field: str, key: str, value, tensors: Mapping, weights: int):
    if field == "states" and type(value) is int and 0 <= value < weights:
        return value
    name, size = _name_and_size(value) if field == "assets" else (value, None)
    array = tensors.get(name) if isinstance(name, str) else None
    legal = isinstance(array, np.ndarray)
    if field == "assets":
        legal = legal and array.dtype == np.uint8 and array.ndim == 1 and _is_safe(key)
    if not legal:
        raise FileFormatError(f"its metadata's {field} are wrong at {short(key)}")
    try:
        return array if size is None else inflate(array, size)
    except ValueError as error:
        raise FileFormatError(f"its asset {short(key)} is no file of {size} bytes") from error


def _name_and_size(value) -> tuple:
    # Of a tensor of deflated bytes, [name, size of the file]; else of the bytes themselves.
    if isinstance(value, list) and len(value) == 2 and type(value[1]) is int and value[1] >= 0:
        return tuple(value)
    return value, None


def _is_safe(name: str) -> bool:
    # Whether a file so called stays in the folder that it is written to, on every system.
    parts = PurePosixPath(name).parts
    return (
        name.isprintable()
        and len(name.encode()) <= 255
        and bool(parts)
        and name == "/".join(parts)
        and not any(part in (".", "..") or set(part) & set('\\:<>|?*"') for part in parts)
    )
