"""What latent training does on every backend: take the model's train step over, give it back."""

from __future__ import annotations

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection import Chosen


class LatentTraining:
    """Makes a model train its `weights` straight through their codes, until `remove()`.

    A backend's class makes its projections before it calls this constructor, and says what becomes
    of `train_step` and of the train function.

    Args:
        model, weights: see `bcq_tf.latent.train_latent`.
    """

    def __init__(self, model, weights: tuple[Chosen, ...]):
        self._model = model
        self._weights = weights
        self._expected = False
        self._replaced = []
        self._take_over()
        # `fit` made its train function before the callbacks' `on_train_begin`.
        model.make_train_function(force=True)
        model.train_function = self._guard(self._wrap_train_function(model.train_function))

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        """Projects onto these codes' scales from the next step on."""
        raise NotImplementedError

    def expect_step(self) -> None:
        """To be called before every call of the model's train function; see `_guard`."""
        self._expected = True

    def remove(self) -> None:
        """Gives the model its own methods back."""
        for owner, name, previous in self._replaced:
            if previous is None:
                object.__delattr__(owner, name)
            else:
                object.__setattr__(owner, name, previous)
        self._replaced = []
        self._model.train_function = None

    def _take_over(self) -> None:
        raise NotImplementedError

    def _wrap_train_function(self, train_function):
        return train_function

    def _replace(self, owner, name: str, function) -> None:
        # Past Keras' attribute tracking: this is no part of the model.
        self._replaced.append((owner, name, owner.__dict__.get(name)))
        object.__setattr__(owner, name, function)

    def _guard(self, train_function):
        # A `fit` that ended in an exception calls no `on_train_end`. The next `fit` finds this
        # train function; where our callback is not part of it, nobody announces the step.
        def guarded(*arguments):
            if not self._expected:
                self.remove()
                self._model.make_train_function(force=True)
                return self._model.train_function(*arguments)
            self._expected = False
            return train_function(*arguments)

        return guarded
