"""`ModelContents`: a model's weights and state as a file has them, checked; put into a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from bcq_tf._keras import initialize
from bcq_tf.files.file import FileFormatError, QuantizedFile
from bcq_tf.files.stored_weights import StoredWeight, stored_weights
from bcq_tf.models.match import match_model
from bcq_tf.models.state import ModelState


@dataclasses.dataclass(frozen=True)
class ModelContents:
    """What a file holds of a model: its weights by position, and what it needs beside them."""

    weights: list[StoredWeight]
    state: ModelState

    @classmethod
    def of(cls, tensors: Mapping, metadata: dict) -> ModelContents:
        """Raises FileFormatError where they are not those of a model."""
        weights = stored_weights(tensors, metadata)
        return cls(weights, ModelState.from_file(tensors, metadata, len(weights)))

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
        for weight, variable in zip(match_model(model, self.weights), model.weights, strict=True):
            initialize(variable, weight.value())

    def restore_state(self, model, assets: bool = True) -> None:
        """See `ModelState.restore`; the model has its weights."""
        self.state.restore(model, self.weights, assets)
