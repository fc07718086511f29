"""Binary codes as arrays in tiles, the order in which products are computed; see `Layout`."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes.binary import BinaryCodes
from bcq_tf.codes.layout import TILE_ROWS, Layout


def tiles_of(codes: BinaryCodes, layout: Layout) -> np.ndarray:
    """The words of all tiles, uint32 [layout.words]."""
    tiles = np.zeros(layout.words, np.uint32)
    for i, plane in enumerate(codes.planes):
        for first_row, words in _plane_views(tiles, layout, i):
            rows = plane[first_row : first_row + TILE_ROWS * len(words)]
            whole = len(rows) // TILE_ROWS
            words[:whole] = rows[: whole * TILE_ROWS].reshape(words[:whole].shape)
            for last in words[whole:]:
                last[: len(rows) % TILE_ROWS] = rows[whole * TILE_ROWS :]
    return tiles


def plane_words(tiles, layout: Layout, plane: int) -> np.ndarray:
    """The words of a plane, uint32 [rows that it covers, words of a row]."""
    views = _plane_views(np.asarray(tiles), layout, plane)
    none = np.empty((0, layout.row_words), np.uint32)
    parts = [none, *(words.reshape(-1, layout.row_words) for _, words in views)]
    return np.concatenate(parts)[: layout.plane_rows[plane]]


def _plane_views(tiles: np.ndarray, layout: Layout, plane: int):
    # Yields the number of a first row, and the words of a plane from there on as a view of the
    # tiles, [tiles, 64, words of a row]: one for all tiles that have the same number of planes.
    # Views, as indices would take more memory than the words.
    changes = np.flatnonzero(np.diff(layout.tile_planes)) + 1
    for same in np.split(np.arange(len(layout.tile_planes)), changes):
        begin, planes = layout.tile_starts[same[0]], layout.tile_planes[same[0]]
        if planes > plane:
            shape = (len(same), layout.row_words, planes, TILE_ROWS)
            words = tiles[begin : begin + np.prod(shape)].reshape(shape)
            yield same[0] * TILE_ROWS, words[:, :, plane].swapaxes(1, 2)


def scales_of(codes: BinaryCodes, layout: Layout) -> tuple[np.ndarray, np.ndarray | None]:
    """The scales [G, bits, R], 0 where a plane does not cover a row, and the offset [G, R] or None:
    float16 where all of them are in `codes`, float32 otherwise."""
    parts = [*codes.scales, *([] if codes.offset is None else [codes.offset])]
    half = all(part.dtype == np.float16 for part in parts)
    scales = np.zeros(layout.scales_shape, np.float16 if half else np.float32)
    for i, scale in enumerate(codes.scales):
        scales[:, i, : len(scale)] = scale.T
    offset = None if codes.offset is None else np.ascontiguousarray(codes.offset.T, scales.dtype)
    return scales, offset
