"""`FloatWeight`: an embedding table as floats that do not train, for 16 and 32 bits."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from bcq_tf.codes.coded_matrix import CodedMatrix, check_ids
from bcq_tf.config import check_choice
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.ops.engine import GATHER_HALF, lacks
from bcq_tf.ops.fields import integer_ids, nan_where_no_row

DTYPES = {16: "float16", 32: "float32"}


@dataclasses.dataclass(frozen=True, eq=False)
class FloatTable(CodedMatrix):
    """What stands for codes where there are none: floats [R, C]."""

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(R, C)."""
        return self.values.shape

    def arrays(self) -> dict[str, np.ndarray]:
        """The floats, "values"."""
        return {"values": self.values}

    def rows(self, ids) -> np.ndarray:
        """See `CodedMatrix.rows`."""
        return self.values[check_ids(ids, len(self.values))].astype(np.float32, copy=False)


@dataclasses.dataclass(frozen=True)
class FloatWeight(TableWeight):
    """The facts of a table that is kept as floats.

    Args:
        rows, columns: R and C.
        bits: 16 or 32.

    Raises:
        ValueError: an argument breaks its rule.
    """

    bits: int

    KIND = "float"

    def __post_init__(self):
        super().__post_init__()
        check_choice("bits", self.bits, tuple(DTYPES))

    @classmethod
    def of(cls, table: FloatTable) -> FloatWeight:
        """The facts of `table`."""
        return cls(*table.shape, 8 * table.values.itemsize)

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """See `TableWeight`."""
        return {"table": ((self.rows, self.columns), DTYPES[self.bits], False)}

    def values(self, codes: FloatTable) -> dict:
        """See `TableWeight`."""
        return {"table": codes.values}

    def codes(self, parts: dict) -> FloatTable:
        """The table that the variable holds."""
        return FloatTable(np.array(parts["table"]))

    def gather(self, parts: dict, ids, dtype: str):
        """See `TableWeight`; where an id that is no row is no error, it gives NaN."""
        ids = integer_ids(ids)
        table = tf.convert_to_tensor(parts["table"])
        if self.bits == 16 and lacks(GATHER_HALF):
            rows = tf.bitcast(tf.gather(tf.bitcast(table, tf.int16), ids), tf.float16)
        else:
            rows = tf.gather(table, ids)
        values = tf.cast(rows, dtype)
        return nan_where_no_row(values, ids, self.rows)
