"""`BCQEmbedding`: an embedding table from binary codes."""

from __future__ import annotations

import keras

from bcq_tf.codes import BinaryCodes
from bcq_tf.layers.packed_embedding import PackedEmbedding


@keras.saving.register_keras_serializable(package="bcq_tf")
class BCQEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table is kept as `BinaryCodes` [vocabulary, dimensions].

    An id that is no row is an error on the CPU, see `bcq_tf.ops.bcq_gather`.
    """

    CODES = BinaryCodes
