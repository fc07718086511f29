"""The dtypes of scales: what a number becomes in each, and how short ones stand in files.

"e5m4" is a float16 without its sign and with 4 bits of mantissa in place of 10, 9 bits in files. In
memory it is a float16.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes import packing
from bcq_tf.config import E5M4

BITS = 9  # of an E5M4 number
_CUT = 6  # bits of a float16's mantissa that it has not
_UNUSED = 0x8000 | (1 << _CUT) - 1


@dataclasses.dataclass(frozen=True)
class ScaleDtype:
    """A dtype of scales.

    Args:
        held: the dtype that holds them in memory.
        mantissa: the bits of its mantissa that they have.
        native: its number in the compiled solver.
    """

    held: np.dtype
    mantissa: int
    native: int

    @property
    def is_short(self) -> bool:
        """Whether they have fewer digits than what holds them."""
        return self.mantissa < np.finfo(self.held).nmant

    @property
    def max(self) -> float:
        """The largest number."""
        return float(np.ldexp(2 - 2.0**-self.mantissa, np.finfo(self.held).maxexp - 1))

    @property
    def step(self) -> float:
        """The smallest positive number."""
        return float(np.ldexp(1, np.finfo(self.held).minexp - self.mantissa))

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """The nearest numbers of this dtype, as `held`; Inf beyond the largest."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if not self.is_short:
                return values.astype(self.held)
            power = np.maximum(np.frexp(values)[1] - 1, np.finfo(self.held).minexp)
            near = np.ldexp(np.rint(np.ldexp(values, self.mantissa - power)), power - self.mantissa)
            return np.where(np.abs(near) > self.max, np.copysign(np.inf, near), near).astype(
                self.held
            )

    @property
    def bits(self) -> int:
        """Of a number in files."""
        return BITS if self.is_short else 8 * self.held.itemsize


SCALE_DTYPES = {
    E5M4: ScaleDtype(np.dtype("float16"), 4, 3),
    "float16": ScaleDtype(np.dtype("float16"), 10, 1),
    "float32": ScaleDtype(np.dtype("float32"), 23, 0),
}


def pack_short(scales: tuple[np.ndarray, ...]) -> np.ndarray | None:
    """Scales [n_i, G] that are all E5M4 numbers, one after the other: uint8 vector; else None."""
    if any(each.dtype != np.float16 for each in scales):
        return None
    bits = [each.view(np.uint16).ravel() for each in scales]
    if any((each & _UNUSED).any() for each in bits):
        return None
    return packing.pack_fields(np.concatenate(bits)[None] >> _CUT, BITS)[0]


def unpack_short(packed: np.ndarray, rows: int) -> np.ndarray:
    """The inverse of `pack_short`, float16 [rows, G], rows: the sum of n_i.

    Raises:
        ValueError: it is not what `pack_short` gives.
    """
    groups = packed.size * 8 // (BITS * rows) if rows else 0
    count = rows * groups
    if packed.dtype != np.uint8 or packed.shape != (packing.bytes_per_row(count, BITS),):
        raise ValueError(
            f"`scales` must be uint8 [ceil({BITS} G {rows} / 8)] where they are short. "
            f"Received: {packed.dtype} {list(packed.shape)}"
        )
    packing.check_padding("scales", packed[None], count, BITS)
    fields = packing.unpack_fields(packed[None], BITS, count)
    return (fields << _CUT).view(np.float16).reshape(rows, groups)
