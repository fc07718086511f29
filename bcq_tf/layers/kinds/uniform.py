"""How layers keep uniform codes, and look up in them."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from bcq_tf.codes import MatrixView, UniformCodes
from bcq_tf.config import check_bits
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import register
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.ops.uniform import uniform_gather


@dataclasses.dataclass(frozen=True)
class UniformWeight(CodedWeight):
    """The facts of a table that is kept as `UniformCodes`.

    Args:
        view: how the weight is seen as the matrix of the codes.
        bits: of a value, 1 to 8.
        zero_rows: whether rows of zeros are marked.

    Raises:
        ValueError: an argument breaks its rule.
    """

    bits: int
    zero_rows: bool = False

    CODES = UniformCodes

    def __post_init__(self):
        check_bits(self.bits)

    @classmethod
    def of(cls, codes: UniformCodes, view: MatrixView, trainable: bool = False) -> UniformWeight:
        return cls(view, codes.bits, codes.zero_rows is not None)

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """See `CodedWeight`; the limit is there for `codes`, look-ups take half_step."""
        return super().parts() | {"half_step": ((), "float32", False)}

    def gather(self, parts: dict, ids, dtype: str):
        """See `CodedWeight` and `bcq_tf.ops.uniform.uniform_gather`."""
        packed, half_step, zero_rows = map(parts.get, ("packed", "half_step", "zero_rows"))
        values = uniform_gather(packed, half_step, ids, self.bits, self.columns, zero_rows)
        return tf.cast(values, dtype)


@register
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

    WEIGHT = UniformWeight
