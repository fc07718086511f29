"""`FloatEmbedding`: a frozen embedding table of 16 or 32 bits."""

from __future__ import annotations

import keras

from bcq_tf.layers.float_weight import FloatTable
from bcq_tf.layers.packed_embedding import PackedEmbedding


@keras.saving.register_keras_serializable(package="bcq_tf")
class FloatEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table is kept as float16 or float32, and does not train.

    An id that is no row is an error on the CPU; elsewhere its row is NaN.
    """

    CODES = FloatTable
