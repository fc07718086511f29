"""How much each position of a model's outputs counts: by sample weights and masks."""

from __future__ import annotations

from keras import ops


def counted(positions, x, weights, mask):
    """Float32 of the shape of `positions`: 1, times the sample weights and the mask, or else
    KerasHub's `padding_mask` among the inputs, where these fit.

    Args:
        positions: a tensor, such as an output without its last axis; its values do not matter.
        x, weights: inputs and sample weights that the model was given; no weights: None.
        mask: Keras' of the output, or None.
    """
    if mask is None and isinstance(x, dict):
        mask = x.get("padding_mask")
    result = ops.ones_like(positions, dtype="float32")
    for given in (weights, mask):
        if hasattr(given, "shape") and _fits(given.shape, positions.shape):
            missing = [1] * (len(positions.shape) - len(given.shape))
            result *= ops.reshape(ops.cast(given, "float32"), [*ops.shape(given), *missing])
    return result


def _fits(shape, whole) -> bool:
    # None: a length that is not known in a graph.
    pairs = zip(shape, whole, strict=False)
    return len(shape) <= len(whole) and all(None in pair or pair[0] == pair[1] for pair in pairs)
