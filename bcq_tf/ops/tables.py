"""`Tables`: the sizes of embedding tables that stand back to back in one array."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bcq_tf.codes.layout import MOST_ROWS
from bcq_tf.config import check_integer


@dataclasses.dataclass(frozen=True)
class Tables:
    """Tables of sizes[t] rows and dims[t] columns; table t begins where table t - 1 ends.

    Args:
        sizes: rows of each table.
        dims: columns of each table, as many numbers.

    Raises:
        ValueError: the two differ in length, are empty, or hold something else than positive
            integers.
    """

    sizes: tuple[int, ...]
    dims: tuple[int, ...]

    def __post_init__(self):
        for name in ("sizes", "dims"):
            object.__setattr__(self, name, _positive_integers(name, getattr(self, name)))
        if len(self.sizes) != len(self.dims):
            raise ValueError(
                f"`dims` must have one number for each of {len(self.sizes)} `sizes`. "
                f"Received: {len(self.dims)}"
            )

    def __len__(self) -> int:
        """The number of tables."""
        return len(self.sizes)

    @property
    def columns(self) -> int:
        """Of all tables together, those of a result."""
        return sum(self.dims)

    @property
    def elements(self) -> int:
        """Numbers in all tables."""
        return sum(size * dim for size, dim in zip(self.sizes, self.dims, strict=True))

    @property
    def starts(self) -> tuple[int, ...]:
        """The element with which each table begins."""
        starts = [0]
        for size, dim in zip(self.sizes, self.dims, strict=True):
            starts.append(starts[-1] + size * dim)
        return tuple(starts[:-1])


def _positive_integers(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ValueError(f"`{name}` must be a list of integers. Received: {name}={values!r}")
    values = tuple(values)
    if not values:
        raise ValueError(f"`{name}` must have a number for each table. Received: {name}=[]")
    return tuple(check_integer(name, value, 1, MOST_ROWS) for value in values)
