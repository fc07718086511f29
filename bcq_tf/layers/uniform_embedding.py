"""`UniformEmbedding`: an embedding table from uniform codes."""

from __future__ import annotations

import keras

from bcq_tf.codes import UniformCodes
from bcq_tf.layers.packed_embedding import PackedEmbedding


@keras.saving.register_keras_serializable(package="bcq_tf")
class UniformEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table is kept as `UniformCodes` [vocabulary, dimensions].

    Make one with `UniformEmbedding.from_codes(bcq_tf.embeddings.quantize_uniform(matrix, bits))`.
    It holds the packed codes and no float table, in R ceil(C bits / 8) bytes and a few more. A row
    is unpacked when it is looked up: the values of `codes.reconstruct()`. `model.export` within
    `bcq_tf.ops.portable_ops()` gives a SavedModel that needs no bcq_tf.

    The table is frozen: the codes do not train, whatever `trainable` says, and the other layers of
    a model do. An id that is no row is an error on the CPU; on a GPU, and under XLA where the
    library is not compiled, its row is NaN.
    """

    CODES = UniformCodes
