"""`ModelState`: what a model needs beside its weights to come back whole from a file."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from bcq_tf._keras import (
    load_assets,
    load_state,
    restores_more,
    save_assets,
    save_state,
    saveables_by_path,
    saves_more,
)
from bcq_tf.container import FileFormatError, short
from bcq_tf.model_table import STATE_FIELDS


@dataclasses.dataclass(frozen=True, eq=False)
class ModelState:
    """What layers and metrics keep in a way of their own, and the files that they keep.

    Args:
        states: {path in the model: {key: value}}, what a layer's or metric's `save_own_variables`
            gives; a value is the position of a weight of the model, or an array.
        assets: {path in the model: {path of a file: uint8 [bytes]}}, what its `save_assets` writes:
            vocabularies, above all.
    """

    states: dict[str, dict[str, int | np.ndarray]] = dataclasses.field(default_factory=dict)
    assets: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, model) -> ModelState:
        """The present state of a built model."""
        positions = {id(variable): i for i, variable in enumerate(model.weights)}
        states, assets = {}, {}
        for path, saveable in saveables_by_path(model).items():
            if saves_more(saveable) and (kept := save_state(saveable)):
                states[path] = {
                    key: positions.get(id(value), value)
                    if id(value) in positions
                    else np.array(value)
                    for key, value in kept.items()
                }
            if files := save_assets(saveable):
                assets[path] = files
        return cls(states, assets)

    def to_file(self) -> tuple[dict[str, np.ndarray], dict]:
        """(arrays by the names that they have in a file, what its metadata say of them).

        Equal files, such as a vocabulary that a layer and one inside it keep, are one array.
        """
        arrays, contents = {}, {}

        def named(field: str, path: str, key: str, value):
            if isinstance(value, int):
                return value
            name = f"{field}:{path}/{key}"
            if field == "assets":
                name = contents.setdefault(value.tobytes(), name)
            arrays[name] = value
            return name

        tables = {
            field: {
                path: {key: named(field, path, key, value) for key, value in kept.items()}
                for path, kept in getattr(self, field).items()
            }
            for field in STATE_FIELDS
        }
        return arrays, {field: table for field, table in tables.items() if table}

    @classmethod
    def from_file(cls, tensors: Mapping, metadata: dict) -> ModelState:
        """The inverse of `to_file`.

        Raises:
            FileFormatError: the metadata are not such tables, or contradict the tensors.
        """
        return cls(*(_read_field(field, tensors, metadata) for field in STATE_FIELDS))

    def restore(self, model, weights: Mapping[int, np.ndarray], assets: bool = True) -> None:
        """Does what Keras does after variables are assigned: layers load their state and files.

        Args:
            model: whose weights have their values.
            weights: {position in the file: value} of the weights, made when asked for.
            assets: whether files are loaded too.
        """
        present = saveables_by_path(model)
        for path, saveable in present.items():
            if path in self.states:
                load_state(saveable, {
                    key: weights[value] if isinstance(value, int) else value
                    for key, value in self.states[path].items()
                })  # fmt: skip
            elif restores_more(saveable):
                load_state(saveable, save_state(saveable))
            if assets and path in self.assets:
                load_assets(saveable, self.assets[path])
        self._warn_of_missing(present)

    def _warn_of_missing(self, present) -> None:
        missing = [path for path in {**self.states, **self.assets} if path not in present]
        if missing:
            warnings.warn(
                "`model` lacks parts that the file holds the state of, which is not loaded: "
                + ", ".join(missing[:3])
                + (f" and {len(missing) - 3} more" if len(missing) > 3 else ""),
                stacklevel=2,
            )


def _read_field(field: str, tensors: Mapping, metadata: dict) -> dict:
    table = metadata.get(field, {})
    if not isinstance(table, dict) or not all(isinstance(kept, dict) for kept in table.values()):
        raise FileFormatError(f"its table of {field} is not one")
    return {
        path: {key: _read(field, key, value, tensors) for key, value in kept.items()}
        for path, kept in table.items()
    }


def _read(field: str, key: str, value, tensors: Mapping):
    if field == "states" and type(value) is int and 0 <= value < len(tensors):
        return value
    array = tensors.get(value) if isinstance(value, str) else None
    legal = isinstance(array, np.ndarray)
    if field == "assets":
        legal = legal and array.dtype == np.uint8 and array.ndim == 1 and _is_safe(key)
    if not legal:
        raise FileFormatError(f"its table of {field} is wrong at {short(key)}")
    return array


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
