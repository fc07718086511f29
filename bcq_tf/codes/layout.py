"""`Layout`: the facts of tiled codes that do not change, and where in the tiles a word stands."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.codes.packing import WORD_BITS, words_per_row
from bcq_tf.config import check_integer, is_integer
from bcq_tf.shown import short

TILE_ROWS = 64
MOST_ROWS = 2**31 - 1
MOST_BITS = 8


@dataclasses.dataclass(frozen=True)
class Layout:
    """The size of a matrix of codes, and how its bits stand in tiles.

    Rows are cut into tiles of 64. Tile t has as many planes as its first row. Its words stand as
    [ceil(columns / 32)][planes][64]: bit b of a word is column 32 w + b of one row. Bits that stand
    for no weight are 0. The tiles follow one another without gaps.

    Args:
        rows: R.
        columns: C, the length of the reduction axis.
        group_size: columns that share a scale: a multiple of 32, or `columns`.
        plane_rows: tuple of the number of rows that each plane covers, falling from `rows`.

    Raises:
        ValueError: no codes are so.
    """

    rows: int
    columns: int
    group_size: int
    plane_rows: tuple[int, ...]

    def __post_init__(self):
        object.__setattr__(self, "plane_rows", tuple(self.plane_rows))
        _check(self)

    @classmethod
    def of(cls, codes: BinaryCodes) -> Layout:
        """The layout that `codes` get."""
        rows, columns = codes.shape
        group_size = columns if codes.groups == 1 else codes.group_size
        return cls(rows, columns, group_size, tuple(len(plane) for plane in codes.planes))

    @property
    def bits(self) -> int:
        """Number of planes."""
        return len(self.plane_rows)

    @property
    def groups(self) -> int:
        """G, the number of groups that a row is cut into."""
        return -(-self.columns // self.group_size)

    @property
    def scales_shape(self) -> tuple[int, int, int]:
        """[G, bits, R]."""
        return self.groups, self.bits, self.rows

    @property
    def row_words(self) -> int:
        """Number of words that one plane of one row has."""
        return words_per_row(self.columns)

    @property
    def padded_group(self) -> int:
        """`group_size`, of one group no more than `columns`, rounded up to whole words."""
        return words_per_row(min(self.group_size, self.columns)) * WORD_BITS

    @property
    def words(self) -> int:
        """Number of words of all tiles."""
        # Without an array of tiles: a config may name more than there is memory for.
        tiles = sum(-(-rows // TILE_ROWS) for rows in self.plane_rows)
        return tiles * self.row_words * TILE_ROWS

    @functools.cached_property
    def tile_planes(self) -> np.ndarray:
        """int64 [tiles]: the number of planes of each tile."""
        first_rows = np.arange(0, self.rows, TILE_ROWS)
        return (np.asarray(self.plane_rows)[:, np.newaxis] > first_rows).sum(0)

    @functools.cached_property
    def tile_starts(self) -> np.ndarray:
        """int64 [tiles]: the place of each tile's first word."""
        sizes = self.tile_planes * (self.row_words * TILE_ROWS)
        return np.concatenate([[0], np.cumsum(sizes)[:-1]])

    @functools.cached_property
    def covered(self) -> np.ndarray | None:
        """bool [1, bits, R]: whether the plane covers the row; None where all planes cover all."""
        if self.plane_rows[-1] == self.rows:
            return None
        return np.arange(self.rows) < np.asarray(self.plane_rows)[np.newaxis, :, np.newaxis]


def _check(layout: Layout) -> None:
    for name in ("rows", "columns"):
        check_integer(name, getattr(layout, name), 1, MOST_ROWS)
    size, planes = layout.group_size, layout.plane_rows
    if not all(map(is_integer, (size, *planes))):
        raise ValueError(
            "`group_size` and `plane_rows` must be integers. "
            f"Received: {short(size)}, {short(planes)}"
        )
    if size != layout.columns and (size < 1 or size % WORD_BITS):
        raise ValueError(
            f"`group_size` must be a multiple of 32 or `columns`. Received: {short(size)}"
        )
    if not 1 <= len(planes) <= MOST_BITS:
        raise ValueError(f"`plane_rows` must have 1 to 8 planes. Received: {short(planes)}")
    if planes[0] != layout.rows or planes[-1] < 0 or np.any(np.diff(planes) > 0):
        raise ValueError(
            f"`plane_rows` must fall from `rows` to 0 or more. Received: {short(planes)}, "
            f"rows={layout.rows}"
        )
