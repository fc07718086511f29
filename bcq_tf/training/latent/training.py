"""What latent training does on every backend: take the model's train step over, give it back."""

from __future__ import annotations

import numpy as np

from bcq_tf._keras import replaced_methods
from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen


class LatentTraining:
    """Makes a model train its `weights` straight through their codes, until `remove()`.

    The model and its optimizers have our methods only while its train function runs, so that they
    are as before however `fit` ends. A backend's class makes what its methods need before it calls
    this constructor, and says which methods those are.

    model, weights: see `train_latent`.
    """

    def __init__(self, model, weights: tuple[Chosen, ...]):
        self._model = model
        self._weights = weights
        self._expected = False
        self._methods = self._make_methods()
        # `fit` made its train function before the callbacks' `on_train_begin`.
        with replaced_methods(*self._methods):
            model.make_train_function(force=True)
        model.train_function = self._guard(self._wrap_train_function(model.train_function))

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        """Projects onto these codes' scales from the next step on."""
        raise NotImplementedError

    def written_weights(self) -> list[Chosen]:
        """The weights that something other than an optimizer was seen to write within a step.

        Steps see those as they are, as without latent training.
        """
        return [weight for weight, written in zip(self._weights, self._written_flags(), strict=True)
                if written]  # fmt: skip

    def expect_step(self) -> None:
        """To be called before every call of the model's train function; see `_guard`."""
        self._expected = True

    def remove(self) -> None:
        """Lets the model train without this from its next step on."""
        self._model.train_function = None

    def _written_flags(self) -> np.ndarray:
        raise NotImplementedError

    def _make_methods(self) -> list[tuple]:
        """(object, name of a method, the method in its place) for all that a step needs."""
        raise NotImplementedError

    def _wrap_train_function(self, train_function):
        return train_function

    def _recover(self) -> None:
        """Called where a step ended in an exception."""

    def _guard(self, train_function):
        # A `fit` that ended in an exception calls no `on_train_end`. The next `fit` finds this
        # train function; where our callback is not part of it, nobody announces the step.
        def guarded(*arguments):
            if not self._expected:
                self.remove()
                self._model.make_train_function(force=True)
                return self._model.train_function(*arguments)
            self._expected = False
            with replaced_methods(*self._methods):
                try:
                    return train_function(*arguments)
                except StopIteration:  # of an epoch's data
                    raise
                except BaseException:
                    self._recover()
                    raise

        return guarded
