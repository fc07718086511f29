"""How much each position of a model's outputs counts: by sample weights and masks."""

from __future__ import annotations

import tensorflow as tf


def counted(batch: tuple, mask, shape) -> tf.Tensor:
    """Float32 of a shape, that of an output without its last axis, or of one of a single axis.

    1, times the batch's sample weights and the mask, or else KerasHub's `padding_mask` among the
    inputs, where these fit.

    Args:
        batch: (x, y, sample weights) that the model was given.
        mask: Keras' of the output, or None.
        shape: of which the positions are.
    """
    x, _, weights = batch
    if mask is None and isinstance(x, dict):
        mask = x.get("padding_mask")
    result = tf.ones(shape)
    for given in (weights, mask):
        if hasattr(given, "shape") and tuple(given.shape) == tuple(shape)[: len(given.shape)]:
            given = tf.cast(given, tf.float32)
            result *= tf.reshape(given, [*given.shape, *[1] * (len(shape) - given.ndim)])
    return result
