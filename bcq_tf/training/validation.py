"""What becomes of a model whose validation inside `fit` is cut short: Keras calls nothing then."""

from __future__ import annotations

from bcq_tf._keras import sync_variables


class Validation:
    """The `evaluate` that `fit` calls next.

    Args:
        model: the model that trains.
        put_back: called where that `evaluate` ends in an exception.
    """

    def __init__(self, model, put_back):
        self._model, self._put_back = model, put_back

    def watch(self) -> None:
        """Watches the model's next `evaluate`, and no other."""
        self.release()
        evaluate = self._model.evaluate

        def watched(*args, **kwargs):
            self.release()
            try:
                return evaluate(*args, **kwargs)
            except BaseException:  # KeyboardInterrupt too
                sync_variables(self._model)
                self._put_back()
                raise

        watched.evaluate = vars(self._model).get("evaluate")
        # Past Keras' attribute tracking: this is no part of the model.
        object.__setattr__(self._model, "evaluate", watched)

    def release(self) -> None:
        """Gives the model its own `evaluate` back, also where an earlier `fit` did not."""
        watched = vars(self._model).get("evaluate")
        if hasattr(watched, "evaluate"):
            if watched.evaluate is None:
                object.__delattr__(self._model, "evaluate")
            else:
                object.__setattr__(self._model, "evaluate", watched.evaluate)
