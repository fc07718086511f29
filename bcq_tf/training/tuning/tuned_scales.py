"""`TunedScales`: the scales and offset of a weight's codes while they are trained, the signs fixed.

Training the scales of binary codes alone is AlphaTuning (Kwon et al. 2022).
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES, ScaleDtype, pack_short
from bcq_tf.config import E5M4
from bcq_tf.ops.binary import bcq_columns
from bcq_tf.ops.tiled_codes import TiledCodes
from bcq_tf.selection.selection import Chosen


class TunedScales:
    """Of one weight. It sees them as they are stored, rounded; gradients go straight through.

    Args:
        weight: whose codes they are.
        codes: of the weight.

    Attributes:
        changes: Keras variables, zeros at first: by how much scales differ from those given, in
            units of themselves, and the offset in units of the group's largest scale. So steps of
            one size suit all of them, and a scale of zero stays zero.
    """

    def __init__(self, weight: Chosen, codes: BinaryCodes):
        self.weight = weight
        self._dtype = _scale_dtype(codes)
        tiled = TiledCodes.from_codes(codes)
        self._codes = tiled.with_parts([tf.cast(part, tf.float32) for part in tiled.parts])
        largest = tf.reduce_max(self._codes.scales, axis=1)
        self._units = (self._codes.scales, largest)[: len(tiled.parts)]
        self.changes = [keras.Variable(tf.zeros_like(unit)) for unit in self._units]

    def put(self) -> None:
        """Gives the variable of the weight the value of the codes as they now are."""
        self.weight.variable.assign(self._value(self._parts()))

    def gradients(self, of_weight) -> list:
        """Of a loss by the `changes`, from those by the weight."""
        parts = self._parts()
        with tf.GradientTape() as tape:
            tape.watch(parts)
            value = self._value(parts)
        found = tape.gradient(value, parts, of_weight)
        return [gradient * unit for gradient, unit in zip(found, self._units, strict=True)]

    def codes(self) -> BinaryCodes:
        """The codes with the scales of now."""
        held = self._dtype.held
        parts = [tf.cast(part, held) for part in self._parts()]
        return self._codes.with_parts(parts).to_codes()

    def _parts(self) -> list:
        # As they are stored, float32.
        found = []
        for part, unit, change in zip(self._codes.parts, self._units, self.changes, strict=True):
            found.append(part + unit * tf.convert_to_tensor(change))
        found[0] = _rounded(tf.maximum(found[0], 0.0), self._dtype)
        found[1:] = [tf.cast(tf.cast(part, self._dtype.held), tf.float32) for part in found[1:]]
        return found

    def _value(self, parts):
        turned = bcq_columns(self._codes.with_parts(parts))
        matrix = keras.ops.transpose(turned)
        return keras.ops.cast(
            self.weight.view.from_matrix(matrix, keras.ops), self.weight.variable.dtype
        )


def _scale_dtype(codes: BinaryCodes) -> ScaleDtype:
    name = E5M4 if pack_short(codes.scales) is not None else codes.scales[0].dtype.name
    return SCALE_DTYPES[name]


def _rounded(scales, dtype: ScaleDtype):
    """The nearest numbers of a dtype to scales >= 0, as float32."""
    near = tf.cast(scales, dtype.held)
    if dtype.is_short:
        cut = np.finfo(dtype.held).nmant - dtype.mantissa
        bits = tf.cast(tf.bitcast(near, tf.uint16), tf.int32)
        bits = tf.bitwise.bitwise_and(bits + (1 << cut - 1), ~((1 << cut) - 1))
        near = tf.bitcast(tf.cast(bits, tf.uint16), dtype.held)
    return tf.cast(near, tf.float32)
