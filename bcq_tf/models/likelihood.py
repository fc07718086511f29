"""What the loss that a model is compiled with takes its output for."""

from __future__ import annotations

import keras

CATEGORICAL, BINARY, GAUSSIAN = "categorical", "binary", "gaussian"
_LOSSES = {  # by what their names end in
    CATEGORICAL: "categorical_crossentropy",
    BINARY: "binary_crossentropy",
    GAUSSIAN: "mean_squared_error",
}


def ends_in_softmax(model) -> bool:
    """Whether the loss that a model is compiled with is that of one class of many."""
    return likelihood(model)[0] == CATEGORICAL


def likelihood(model) -> tuple[str | None, bool]:
    """What the loss that a model is compiled with takes its one output for: CATEGORICAL, BINARY or
    GAUSSIAN, None where that is not known; and whether the loss takes logits.

    A loss is known by the end of its name, one of a user's too, such as
    "masked_sparse_categorical_crossentropy"; its config, or an attribute, says `from_logits`.
    """
    loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return None, False
    try:
        loss = keras.losses.get(loss)
    except ValueError:
        return None, False
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    from_logits = config.get("from_logits", getattr(loss, "from_logits", False))
    return next((kind for kind, end in _LOSSES.items() if name.endswith(end)), None), from_logits
