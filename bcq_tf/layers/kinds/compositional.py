"""How layers keep compositional codes, and look up in them."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from bcq_tf.codes import CompositionalCodes, MatrixView
from bcq_tf.codes.compositional import index_bits
from bcq_tf.config import FLOAT_DTYPES, check_choice, check_integer
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import register
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.ops.compositional import compositional_gather


@dataclasses.dataclass(frozen=True)
class CompositionalWeight(CodedWeight):
    """The facts of a table that is kept as `CompositionalCodes`.

    Args:
        view: how the weight is seen as the matrix of the codes.
        count: M, the number of codebooks.
        entries: K, vectors of a codebook.
        dtype: "float16" or "float32", of the codebooks.
        trainable: whether the codebooks train; the indexes do not.

    Raises:
        ValueError: an argument breaks its rule.
    """

    count: int
    entries: int
    dtype: str = "float32"
    trainable: bool = False

    CODES = CompositionalCodes
    TRAINS = ("codebooks",)

    def __post_init__(self):
        for name in ("count", "entries"):
            check_integer(name, getattr(self, name), 1)
        check_choice("dtype", self.dtype, FLOAT_DTYPES)

    @classmethod
    def of(
        cls, codes: CompositionalCodes, view: MatrixView, trainable: bool = False
    ) -> CompositionalWeight:
        """The facts of `codes`. Codebooks that train are float32, others as they are."""
        dtype = "float32" if trainable else codes.codebooks.dtype.name
        return cls(view, codes.count, codes.entries, dtype, trainable)

    @property
    def bits(self) -> int:
        """Of an index."""
        return index_bits(self.entries)

    def gather(self, parts: dict, ids, dtype: str):
        """See `CodedWeight` and `bcq_tf.ops.compositional.compositional_gather`."""
        packed, codebooks = parts["packed"], tf.convert_to_tensor(parts["codebooks"])
        return tf.cast(compositional_gather(packed, codebooks, ids, self.bits), dtype)


@register
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

    WEIGHT = CompositionalWeight

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
