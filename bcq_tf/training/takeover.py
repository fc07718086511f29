"""Methods of a model that are others while it trains: a train function taken over, and given back.

What is done in a step has to stand in the model's methods: with `steps_per_execution > 1` one call
of a batch callback covers many steps.
"""

from __future__ import annotations

from bcq_tf._keras import replaced_methods


class Takeover:
    """Gives a model other methods while its train function runs, until `remove()`.

    The model, its optimizers and its metrics have their own at all other times, so that they are as
    before however `fit` ends.

    Args:
        model: a compiled Keras model, in `fit`, since its train function is made anew.
        methods: (object, name of a method, the method in its place) each.
    """

    def __init__(self, model, methods: list[tuple]):
        self._model, self._methods = model, methods
        self._expected = self._taken = False
        # `fit` made its train function before the callbacks' `on_train_begin`.
        with replaced_methods(*methods):
            model.make_train_function(force=True)
        model.train_function = self._guard(self._wrap_train_function(model.train_function))

    def expect_step(self) -> None:
        """To be called before every call of the model's train function; see `_guard`."""
        self._expected = True

    def check_step(self) -> None:
        """Raises RuntimeError, once a step is over, unless it was expected and the train function
        took it."""
        if not self._taken:
            raise RuntimeError(
                "`latent` and `teacher` need steps between `on_train_batch_begin` and "
                "`on_train_batch_end` that the model's `train_function` takes, as `fit` and "
                "`train_on_batch` do. Received: a step without one of these"
            )
        self._taken = False

    def remove(self) -> None:
        """Lets the model train without this from its next step on, in the same `fit` too."""
        self._model.make_train_function(force=True)

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
                return self._model.train_function(*arguments)
            self._expected = False
            with replaced_methods(*self._methods):
                try:
                    result = train_function(*arguments)
                except StopIteration:  # of an epoch's data
                    raise
                except BaseException:
                    self._recover()
                    raise
            self._taken = True
            return result

        return guarded
