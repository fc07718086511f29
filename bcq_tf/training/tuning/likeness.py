"""How far a model's outputs are from those of its floats: the loss of tuning.

Where the model is compiled with a known likelihood it is the divergence between the two
distributions (Hinton, Vinyals and Dean 2015, of temperature 1), otherwise the squared difference by
the outputs' mean square.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from bcq_tf.models.calibration.output_gradients import BINARY, CATEGORICAL, likelihood


def divergence(model) -> Callable:
    """A function (outputs of the floats, outputs, how much each counts) -> scalar.

    All are flat lists of tensors, the last of the shapes of the others without their last axes.
    """
    kind, from_logits = likelihood(model)
    of_one = {CATEGORICAL: _categorical, BINARY: _binary}.get(kind, _squared)

    def total(wanted: list, found: list, counted: list):
        each = zip(wanted, found, counted, strict=True)
        return tf.add_n([_mean(of_one(_float(w), _float(f), from_logits), c) for w, f, c in each])

    return total


def _float(output):
    return tf.cast(output, tf.float32)


def _mean(values, counted):
    return tf.reduce_sum(values * counted) / tf.maximum(tf.reduce_sum(counted), 1e-12)


def _categorical(wanted, found, from_logits: bool):
    wanted, found = (_log_probabilities(each, from_logits) for each in (wanted, found))
    return tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=-1)


def _binary(wanted, found, from_logits: bool):
    both = [keras.ops.sigmoid(each) if from_logits else each for each in (wanted, found)]
    pairs = [tf.stack([each, 1 - each], axis=-1) for each in both]
    return tf.reduce_mean(_categorical(*pairs, from_logits=False), axis=-1)


def _squared(wanted, found, from_logits: bool):
    size = tf.reduce_mean(tf.square(wanted)) + keras.backend.epsilon()
    return tf.reduce_mean(tf.square(found - wanted), axis=-1) / size


def _log_probabilities(outputs, from_logits: bool):
    if from_logits:
        return tf.nn.log_softmax(outputs)
    return tf.math.log(tf.maximum(outputs, keras.backend.epsilon()))
