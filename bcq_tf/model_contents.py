"""`ModelContents`: a model's weights and state as a file has them, checked; put into a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from bcq_tf._keras import initialize
from bcq_tf.file import FileFormatError, QuantizedFile
from bcq_tf.model_match import match_model
from bcq_tf.model_state import ModelState
from bcq_tf.model_table import Entry, read_table


@dataclasses.dataclass(frozen=True)
class ModelContents:
    """What a file holds of a model.

    Args:
        entries: its weights, by position in the file.
        state: what it needs beside them.
    """

    entries: list[Entry]
    state: ModelState

    @classmethod
    def of(cls, tensors: Mapping, metadata: dict) -> ModelContents:
        """Raises FileFormatError where they are not those of a model."""
        return cls(read_table(tensors, metadata), ModelState.from_file(tensors, metadata))

    @classmethod
    def of_file(cls, opened: QuantizedFile) -> ModelContents:
        """As `of`; the error names the file."""
        try:
            return cls.of(opened, opened.metadata)
        except FileFormatError as error:
            raise FileFormatError(f"{opened.path}: {error}") from None

    def put_weights(self, model) -> None:
        """Gives a model the weights, those with codes by the codes' values.

        Raises ValueError where they are not the model's; it is unchanged then.
        """
        for entry, variable in zip(match_model(model, self.entries), model.weights, strict=True):
            initialize(variable, entry.value())

    def restore_state(self, model, assets: bool = True) -> None:
        """See `ModelState.restore`; the model has its weights."""
        self.state.restore(model, _Values(self.entries), assets)


class _Values(Mapping):
    """The float values of weights by position, made when they are asked for."""

    def __init__(self, entries: list[Entry]):
        self._entries = entries

    def __getitem__(self, position: int) -> np.ndarray:
        return self._entries[position].value()

    def __iter__(self):
        return iter(range(len(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)
