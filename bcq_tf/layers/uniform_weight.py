"""`UniformWeight`: an embedding table as uniform codes."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from bcq_tf.codes import UniformCodes
from bcq_tf.codes.packing import bytes_per_row
from bcq_tf.config import check_bits
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.ops.uniform import uniform_gather


@dataclasses.dataclass(frozen=True)
class UniformWeight(TableWeight):
    """The facts of a table that is kept as `UniformCodes`.

    Args:
        rows, columns: R and C.
        bits: of a value, 1 to 8.
        zero_rows: whether rows of zeros are marked.

    Raises:
        ValueError: an argument breaks its rule.
    """

    bits: int
    zero_rows: bool = False

    KIND = "uniform"

    def __post_init__(self):
        super().__post_init__()
        check_bits(self.bits)

    @classmethod
    def of(cls, codes: UniformCodes) -> UniformWeight:
        """The facts of `codes`."""
        return cls(*codes.shape, codes.bits, codes.zero_rows is not None)

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """See `TableWeight`; the limit is there for `codes`, look-ups take half_step."""
        parts = {
            "packed": ((self.rows, bytes_per_row(self.columns, self.bits)), "uint8", False),
            "limit": ((), "float32", False),
            "half_step": ((), "float32", False),
        }
        if self.zero_rows:
            parts["zero_rows"] = ((bytes_per_row(self.rows, 1),), "uint8", False)
        return parts

    def values(self, codes: UniformCodes) -> dict:
        """See `TableWeight`."""
        limits = {"limit": np.float32(codes.limit), "half_step": codes.half_step}
        return codes.arrays() | limits

    def codes(self, parts: dict) -> UniformCodes:
        """The codes that the variables, by part, hold."""
        held = {part: np.array(variable) for part, variable in parts.items()}
        limit, zero_rows = float(held["limit"]), held.get("zero_rows")
        return UniformCodes(held["packed"], limit, self.bits, self.columns, zero_rows)

    def gather(self, parts: dict, ids, dtype: str):
        """See `TableWeight` and `bcq_tf.ops.uniform.uniform_gather`."""
        packed, half_step, zero_rows = (
            parts.get(part) for part in ("packed", "half_step", "zero_rows")
        )
        values = uniform_gather(packed, half_step, ids, self.bits, self.columns, zero_rows)
        return tf.cast(values, dtype)
