"""`CompositionalWeight`: an embedding table as compositional codes."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from bcq_tf.codes.compositional import CompositionalCodes, index_bits
from bcq_tf.codes.packing import bytes_per_row
from bcq_tf.config import SCALE_DTYPES, check_choice, check_integer
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.ops.compositional import compositional_gather


@dataclasses.dataclass(frozen=True)
class CompositionalWeight(TableWeight):
    """The facts of a table that is kept as `CompositionalCodes`.

    Args:
        rows, columns: R and D.
        codebooks: M.
        entries: K, vectors of a codebook.
        dtype: "float16" or "float32", of the codebooks.
        trainable: whether the codebooks train; the indexes do not.

    Raises:
        ValueError: an argument breaks its rule.
    """

    codebooks: int
    entries: int
    dtype: str = "float32"
    trainable: bool = False

    KIND = "compositional"

    def __post_init__(self):
        super().__post_init__()
        for name in ("codebooks", "entries"):
            check_integer(name, getattr(self, name), 1)
        check_choice("dtype", self.dtype, SCALE_DTYPES)

    @classmethod
    def of(cls, codes: CompositionalCodes, trainable: bool = False) -> CompositionalWeight:
        """The facts of `codes`. Codebooks that train are float32, others as they are."""
        count, entries, _ = codes.codebooks.shape
        dtype = "float32" if trainable else codes.codebooks.dtype.name
        return cls(*codes.shape, count, entries, dtype, trainable)

    @property
    def bits(self) -> int:
        """Of an index."""
        return index_bits(self.entries)

    def parts(self) -> dict[str, tuple[tuple[int, ...], str, bool]]:
        """See `TableWeight`."""
        packed = (self.rows, bytes_per_row(self.codebooks, self.bits))
        codebooks = (self.codebooks, self.entries, self.columns)
        return {
            "packed": (packed, "uint8", False),
            "codebooks": (codebooks, self.dtype, self.trainable),
        }

    def values(self, codes: CompositionalCodes) -> dict:
        """See `TableWeight`."""
        return codes.arrays()

    def codes(self, parts: dict) -> CompositionalCodes:
        """The codes that the variables, by part, hold."""
        return CompositionalCodes(np.array(parts["packed"]), np.array(parts["codebooks"]))

    def gather(self, parts: dict, ids, dtype: str):
        """See `TableWeight` and `bcq_tf.ops.compositional.compositional_gather`."""
        packed, codebooks = parts["packed"], tf.convert_to_tensor(parts["codebooks"])
        return tf.cast(compositional_gather(packed, codebooks, ids, self.bits), dtype)
