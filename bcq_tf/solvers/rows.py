"""Codes whose rows have different numbers of bits: solved for each number, and joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from bcq_tf.codes import BinaryCodes
from bcq_tf.config import BCQConfig


def solve_by_bits(solve: Callable, matrix, importance, start, config: BCQConfig) -> BinaryCodes:
    """Codes of a matrix of which row r has the bits of digit r of `config.row_bits`.

    Args:
        solve: (rows of the matrix, of the importance, of the start, config) -> BinaryCodes.
        matrix: float [R, C].
        importance, start: as `quantize` takes them; start with the same bits of rows, or None.
    """
    row_bits = rows_bits(config)
    parts = {}
    for bits in np.unique(row_bits):
        rows = np.flatnonzero(row_bits == bits)
        parts[int(bits)] = solve(
            matrix[rows],
            None if importance is None else importance[rows],
            None if start is None else _of_rows(start, rows, int(bits)),
            dataclasses.replace(config, bits=int(bits), row_bits=None),
        )
    return _joined(parts, row_bits)


def rows_bits(config: BCQConfig) -> np.ndarray:
    """The number of bits of each row, uint8 [R], that `config.row_bits` says."""
    return np.frombuffer(config.row_bits.encode("ascii"), np.uint8) - np.uint8(ord("0"))


def _of_rows(codes: BinaryCodes, rows: np.ndarray, bits: int) -> BinaryCodes:
    stored = rows if codes.row_order is None else np.argsort(codes.row_order)[rows]
    return BinaryCodes(
        [plane[stored] for plane in codes.planes[:bits]],
        [scale[stored] for scale in codes.scales[:bits]],
        codes.columns,
        codes.group_size,
        None if codes.offset is None else codes.offset[stored],
    )


def _joined(parts: dict[int, BinaryCodes], row_bits: np.ndarray) -> BinaryCodes:
    # Those with more bits first.
    falling = [parts[bits] for bits in sorted(parts, reverse=True)]
    scale_dtype = np.result_type(*(part.scales[0] for part in falling))
    offsets = [part.offset for part in falling if part.offset is not None]
    planes, scales = [], []
    for i in range(max(parts)):
        covering = [part for part in falling if part.bits > i]
        planes.append(np.concatenate([part.planes[i] for part in covering]))
        scales.append(np.concatenate([part.scales[i] for part in covering]).astype(scale_dtype))
    return BinaryCodes(
        planes,
        scales,
        falling[0].columns,
        falling[0].group_size,
        np.concatenate(offsets).astype(scale_dtype) if offsets else None,
        np.argsort(-row_bits.astype(np.int8), kind="stable").astype(np.int32),
    )
