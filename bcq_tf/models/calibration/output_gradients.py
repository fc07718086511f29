"""Gradients of the loss at a model's outputs, drawn from what the model itself believes.

For losses that are a negative log likelihood, labels drawn from the model's own distribution give
gradients whose second moments are the Fisher information, what errors cost near the model; those of
the data's labels are next to zero wherever the model has learned them by heart.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.models.likelihood import BINARY, CATEGORICAL, GAUSSIAN, likelihood


def drawn(model) -> Callable | None:
    """A function (batch, predicted) -> [gradient at the output], for the loss that a model is
    compiled with; None where that is no known likelihood of a single output."""
    kind, from_logits = likelihood(model)
    sample = _SAMPLES.get(kind)
    count = itertools.count()  # the same labels in every run

    def gradients(batch, predicted):
        return [sample(tf.cast(predicted, tf.float32), from_logits, [0, next(count)])]

    return gradients if sample else None


def of_data(model) -> Callable | None:
    """The same with the labels of the data, for any loss; None for a model without one.

    The function raises ValueError where a batch has no labels.
    """
    if not getattr(model, "compiled", False) or model.loss is None:
        return None

    def gradients(batch, predicted):
        x, y, _ = batch
        if y is None:
            raise ValueError(
                "`calibration` must have targets, as the model's loss is none whose labels can be "
                "drawn. Received: inputs alone"
            )
        flat = keras.tree.flatten(predicted)
        with tf.GradientTape() as tape:
            tape.watch(flat)
            loss = model.compute_loss(x=x, y=y, y_pred=predicted, training=False)
        found = tape.gradient(loss, flat, unconnected_gradients="zero")
        # Of the sum over samples, not of their mean.
        return [g * float(max(1, np.prod(g.shape[:-1]))) for g in found]

    return gradients


def _categorical(predicted, from_logits: bool, seed: list[int]):
    logits = predicted if from_logits else tf.math.log(predicted + keras.backend.epsilon())
    classes = logits.shape[-1]
    flat = tf.reshape(logits, [-1, classes])
    drawn = tf.one_hot(tf.random.stateless_categorical(flat, 1, seed)[:, 0], classes)
    gradient = tf.reshape(tf.nn.softmax(flat) - drawn, tf.shape(logits))
    # Of -log p_k with respect to p itself: only the drawn one counts.
    drawn = tf.reshape(drawn, tf.shape(logits))
    return gradient if from_logits else -drawn / (predicted + keras.backend.epsilon())


def _binary(predicted, from_logits: bool, seed: list[int]):
    p = tf.sigmoid(predicted) if from_logits else predicted
    drawn = tf.cast(tf.random.stateless_uniform(tf.shape(p), seed) < p, tf.float32)
    spread = 1.0 if from_logits else p * (1 - p) + keras.backend.epsilon()
    return (p - drawn) / spread * _of_mean(p)


def _gaussian(predicted, from_logits: bool, seed: list[int]):
    # Of the variance at which the second derivative is that of the squared error.
    return tf.random.stateless_normal(tf.shape(predicted), seed, stddev=2**0.5) * _of_mean(
        predicted
    )


def _of_mean(predicted) -> float:
    """Keras' loss is the mean over the last axis: its second derivatives are as much less."""
    return 1 / max(1, predicted.shape[-1] if predicted.ndim > 1 else 1) ** 0.5


_SAMPLES = {CATEGORICAL: _categorical, BINARY: _binary, GAUSSIAN: _gaussian}
