"""How layers keep tables of 16 or 32 bits: as floats that do not train."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.codes import CodedMatrix, MatrixView
from bcq_tf.codes.coded_matrix import check_ids
from bcq_tf.codes.declaration import Array
from bcq_tf.config import check_choice
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import register
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.ops.engine import GATHER_HALF, lacks
from bcq_tf.ops.fields import integer_ids, nan_where_no_row

DTYPES = {16: "float16", 32: "float32"}


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FloatTable(CodedMatrix):
    """What stands for codes where there are none: floats [R, C]. Files have arrays for it."""

    values: np.ndarray

    KIND = "float"
    SUMMARY = "bits={0.bits}"
    ARRAYS: ClassVar = {"values": Array(("float16", "float32"), lambda table: table.shape)}

    @property
    def bits(self) -> int:
        """Of a number, 16 or 32."""
        return 8 * self.values.itemsize

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape

    def rows(self, ids) -> np.ndarray:
        return self.values[check_ids(ids, len(self.values))].astype(np.float32, copy=False)


@dataclasses.dataclass(frozen=True)
class FloatWeight(CodedWeight):
    """The facts of a table that is kept as floats.

    Args:
        view: how the weight is seen as the matrix of floats.
        bits: 16 or 32.

    Raises:
        ValueError: an argument breaks its rule.
    """

    bits: int

    CODES = FloatTable
    OWN_OPS = False

    def __post_init__(self):
        check_choice("bits", self.bits, tuple(DTYPES))

    @classmethod
    def of(cls, codes: FloatTable, view: MatrixView, trainable: bool = False) -> FloatWeight:
        return cls(view, codes.bits)

    @property
    def dtype(self) -> str:
        """Of the floats."""
        return DTYPES[self.bits]

    def gather(self, parts: dict, ids, dtype: str):
        """See `CodedWeight`; where an id that is no row is no error, it gives NaN."""
        ids = integer_ids(ids)
        table = tf.convert_to_tensor(parts["values"])
        if self.bits == 16 and lacks(GATHER_HALF):
            rows = tf.bitcast(tf.gather(tf.bitcast(table, tf.int16), ids), tf.float16)
        else:
            rows = tf.gather(table, ids)
        return nan_where_no_row(tf.cast(rows, dtype), ids, self.shape[0])


@register
@keras.saving.register_keras_serializable(package="bcq_tf")
class FloatEmbedding(PackedEmbedding):
    """`keras.layers.Embedding` whose table is kept as float16 or float32, and does not train.

    An id that is no row is an error on the CPU; elsewhere its row is NaN.
    """

    WEIGHT = FloatWeight
