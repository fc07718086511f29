"""Which other callbacks may stand beside BCQCallback, and where in the list."""

from __future__ import annotations

import keras

from bcq_tf._keras import callbacks_of_this_fit

# Those that end training where the loss is NaN, at once or when they have waited long enough.
ENDING = (keras.callbacks.TerminateOnNaN, keras.callbacks.EarlyStopping)


def check_neighbours(callback) -> None:
    """Raises ValueError where a callback in the list of `callback`'s `fit` would undo its work.

    callback: a BCQCallback, called from `fit`.
    """
    fit = callbacks_of_this_fit(callback)
    neighbours = fit.callbacks if fit else []
    for other in neighbours:
        if isinstance(other, keras.callbacks.SwapEMAWeights):
            raise ValueError(
                "`callbacks` must not hold SwapEMAWeights beside BCQCallback, since both exchange "
                "the weights for a validation. Use the optimizer's `use_ema=True` alone: the "
                "average is quantized when training ends. Received: SwapEMAWeights"
            )
    for other in neighbours[neighbours.index(callback) + 1 :] if neighbours else []:
        if getattr(other, "restore_best_weights", False):
            raise ValueError(
                f"`callbacks` must have BCQCallback after {type(other).__name__}, whose restored "
                "weights would undo the quantized ones. Received: BCQCallback before it"
            )
