"""`TunedFloats`: a weight without codes, a bias or one of normalization, while it is trained."""

from __future__ import annotations

import keras
import tensorflow as tf

from bcq_tf.selection.selection import Skipped


class TunedFloats:
    """Of one weight; as `TunedScales` is.

    Attributes:
        changes: a Keras variable, zeros at first, in units of the weight's mean size: one of zeros
            stays so.
    """

    def __init__(self, weight: Skipped):
        self.weight = weight
        self._before = tf.cast(tf.identity(weight.variable.value), tf.float32)
        self._unit = tf.reduce_mean(tf.abs(self._before))
        self.changes = [keras.Variable(tf.zeros_like(self._before))]

    def put(self) -> None:
        """Gives the variable its value of now."""
        self.weight.variable.assign(self._before + self._unit * self.changes[0].value)

    def gradients(self, of_weight) -> list:
        """Of a loss by the `changes`, from those by the weight."""
        return [self._unit * tf.cast(of_weight, tf.float32)]
