"""The other callbacks of a `fit`: which may stand beside BCQCallback, and work around them all."""

from __future__ import annotations

import keras

from bcq_tf._keras import callbacks_of_this_fit

# Those that end training where the loss is NaN, at once or when they have waited long enough.
ENDING = (keras.callbacks.TerminateOnNaN, keras.callbacks.EarlyStopping)


class OtherCallbacks:
    """What stands in the list of the `fit` that calls a BCQCallback now.

    Attribute `are_known`: whether there is such a list; a loop of one's own may call it by itself.

    Raises:
        ValueError: a callback in the list would undo its work.
    """

    def __init__(self, callback):
        self._fit = callbacks_of_this_fit(callback)
        self.are_known = self._fit is not None
        self._all = self._fit.callbacks if self._fit else [callback]
        self._later = self._all[self._all.index(callback) + 1 :]
        self._surrounded = []
        self._check()

    def of(self, cls: type | tuple[type, ...]) -> list[keras.callbacks.Callback]:
        """The callbacks of a class."""
        return [callback for callback in self._all if isinstance(callback, cls)]

    def later(self, cls: type) -> list[keras.callbacks.Callback]:
        """Those of a class that stand after this one."""
        return [callback for callback in self._later if isinstance(callback, cls)]

    def surround(self, name: str, around) -> None:
        """Makes a method of all callbacks be called within the context that `around` returns,
        which takes its arguments."""
        if not self.are_known:
            return
        # In place of what an earlier `fit` with the same list has left, where an error ended it.
        vars(self._fit).pop(name, None)
        call = getattr(self._fit, name)

        def surrounded(*args, **kwargs):
            with around(*args, **kwargs):
                call(*args, **kwargs)

        setattr(self._fit, name, surrounded)
        self._surrounded.append(name)

    def release(self) -> None:
        """Lets the list be as it was."""
        for name in self._surrounded:
            vars(self._fit).pop(name, None)
        self._fit, self._all, self._later = None, [], []

    def _check(self) -> None:
        if self.of(keras.callbacks.SwapEMAWeights):
            raise ValueError(
                "`callbacks` must not hold SwapEMAWeights beside BCQCallback, since both exchange "
                "the weights for a validation. Use the optimizer's `use_ema=True` alone: the "
                "average is quantized when training ends. Received: SwapEMAWeights"
            )
        for later in self._later:
            if getattr(later, "restore_best_weights", False):
                raise ValueError(
                    f"`callbacks` must have BCQCallback after {type(later).__name__}, whose "
                    "restored weights would undo the quantized ones. Received: BCQCallback before "
                    "it"
                )
