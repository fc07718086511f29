"""`ModelContents`: a model's weights and state as a file has them, checked; put into a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from bcq_tf._keras import initialize
from bcq_tf.files.file import FileFormatError, QuantizedFile
from bcq_tf.files.model_table import Entry, read_table
from bcq_tf.models.match import match_model
from bcq_tf.models.state import ModelState


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
        entries = read_table(tensors, metadata)
        return cls(entries, ModelState.from_file(tensors, metadata, len(entries)))

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
        self.state.restore(model, lambda position: self.entries[position].value(), assets)
