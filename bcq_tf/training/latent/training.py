"""What latent training does on every backend: take the model's train step over, give it back."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen
from bcq_tf.training.takeover import Takeover


class LatentTraining(Takeover):
    """Makes a model train its `weights` straight through their codes, until `remove()`.

    A backend's class makes what its methods need before it calls this constructor, and says which
    methods those are.

    model, weights, methods: see `train_latent`.
    """

    def __init__(self, model, weights: tuple[Chosen, ...], methods: list[tuple]):
        self._model = model
        self._weights = weights
        super().__init__(model, [*self._make_methods(), *methods])

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        """Projects onto these codes' scales from the next step on."""
        raise NotImplementedError

    def written_weights(self) -> list[Chosen]:
        """The weights that something other than an optimizer was seen to write within a step.

        Steps see those as they are, as without latent training.
        """
        return [weight for weight, written in zip(self._weights, self._written_flags(), strict=True)
                if written]  # fmt: skip

    def _written_flags(self) -> np.ndarray:
        raise NotImplementedError

    def _make_methods(self) -> list[tuple]:
        """(object, name of a method, the method in its place) for all that a step needs."""
        raise NotImplementedError
