"""`CompositionalEmbedding`: an embedding table from compositional codes."""

from __future__ import annotations

import keras

from bcq_tf.codes import CompositionalCodes
from bcq_tf.layers.packed_embedding import PackedEmbedding


@keras.saving.register_keras_serializable(package="bcq_tf")
class CompositionalEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose rows are sums of vectors, one from each of M codebooks.

    Make one with `CompositionalEmbedding.from_codes(bcq_tf.embeddings.additive_codes(matrix, M,
    K))`. It holds the packed indexes and the codebooks, R ceil(M ceil(log2 K) / 8) + 4 M K D bytes
    (2 in place of 4 with float16 codebooks), and no float table. A row is put together when it is
    looked up: in float32 the bits of `codes.reconstruct()`. `model.export` within
    `bcq_tf.ops.portable_ops()` gives a SavedModel that needs no bcq_tf.

    The codebooks can train, as Shu & Nakayama 2018 do with the codes held; the indexes never do. An
    id that is no row is an error on the CPU; on a GPU, and under XLA where the library is not
    compiled, its row is NaN.
    """

    CODES = CompositionalCodes

    @classmethod
    def from_codes(
        cls, codes: CompositionalCodes, *, trainable_codebooks: bool = False, **kwargs
    ) -> CompositionalEmbedding:
        """A built layer.

        Args:
            codes: of the table, [vocabulary, dimensions].
            trainable_codebooks: whether the codebooks train; they are float32 then.
            **kwargs: of `keras.layers.Embedding` and `PackedLayer`.

        Raises:
            TypeError: the codes are of another type.
        """
        return super().from_codes(codes, trainable_scales=trainable_codebooks, **kwargs)
