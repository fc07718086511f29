"""Work before and after all callbacks of a `fit`, wherever they stand in its list."""

from __future__ import annotations

import keras

from bcq_tf._keras import callbacks_of_this_fit


class FitOrder:
    """Surrounds what a `fit` tells its callbacks, from `on_train_begin` of one of them on.

    Args:
        callback: that one, which is called now.
        **around: by the name of a method of callbacks, a function that takes its arguments and
            returns the context in which all callbacks are called.
    """

    def __init__(self, callback, **around):
        self._fit = callbacks_of_this_fit(callback)
        self._names = tuple(around) if self._fit else ()
        for name in self._names:
            _surround(self._fit, name, around[name])

    @property
    def is_known(self) -> bool:
        """Whether there is such a list; a loop of one's own may call a callback by itself."""
        return self._fit is not None

    def others(self, cls: type) -> list[keras.callbacks.Callback]:
        """The callbacks of a class."""
        return [c for c in self._fit.callbacks if isinstance(c, cls)] if self._fit else []

    def after(self, callback, cls: type) -> list[keras.callbacks.Callback]:
        """Those of a class that come after `callback`."""
        listed = self._fit.callbacks if self._fit else [callback]
        return [c for c in listed[listed.index(callback) + 1 :] if isinstance(c, cls)]

    def release(self) -> None:
        """Lets the list be as it was."""
        for name in self._names:
            vars(self._fit).pop(name, None)
        self._fit, self._names = None, ()


def _surround(fit, name: str, around) -> None:
    # In place of what an earlier `fit` with the same list has left, where an error ended it.
    vars(fit).pop(name, None)
    call = getattr(fit, name)

    def surrounded(*args, **kwargs):
        with around(*args, **kwargs):
            call(*args, **kwargs)

    setattr(fit, name, surrounded)
