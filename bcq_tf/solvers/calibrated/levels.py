"""All levels of a set of params, in ascending order, and the codes that reach them.

Params [m, R, G] are, for each group of a row, the offset where there is one, then a scale for each
plane; they may have any sign and order. A code is the bits of the planes: bit i is set where plane
i has +1.
"""

from __future__ import annotations

import functools

import numpy as np

from bcq_tf.codes import packing


def signs_of(codes: np.ndarray, bits: int, offset: bool) -> np.ndarray:
    """What each param is multiplied by: uint8 codes [...] -> float32 [..., m] of -1 and +1."""
    planes = (codes[..., None] >> np.arange(bits, dtype=np.uint8) & 1).astype(np.float32) * 2 - 1
    if not offset:
        return planes
    return np.concatenate([np.ones_like(planes[..., :1]), planes], axis=-1)


def codes_of(planes, columns: int) -> np.ndarray:
    """The codes of planes, uint32 [R, words] each: uint8 [R, columns]."""
    signs = (packing.unpack(plane, columns).view(np.uint8) for plane in planes)
    return functools.reduce(np.bitwise_or, (s << np.uint8(i) for i, s in enumerate(signs)))


def values_of(codes: np.ndarray, params: np.ndarray, group: np.ndarray, offset: bool):
    """What codes stand for: codes [R, C], params [m, R, G], group int [C] -> float32 [R, C]."""
    table = _values(params, offset).astype(np.float32)
    return table[np.arange(len(codes))[:, None], group, codes]


def ascending(params: np.ndarray, offset: bool) -> tuple[np.ndarray, np.ndarray]:
    """(levels float32 [R, G, K], ascending; the code of each, uint8 [R, G, K]), K = 2^bits."""
    values = _values(params, offset)
    order = np.argsort(values, axis=-1, kind="stable")
    return np.take_along_axis(values, order, axis=-1).astype(np.float32), order.astype(np.uint8)


def canonical(params: np.ndarray, codes: np.ndarray, group: np.ndarray, offset: bool):
    """The same values from scales that are not negative, in descending order.

    Args:
        params: float64 [m, R, G].
        codes: uint8 [R, C].
        group: int [C], the group of each column.
        offset: whether params[0] is one.

    Returns:
        (params, codes), new arrays.
    """
    scales = params[int(offset) :]
    order = np.argsort(-np.abs(scales), axis=0, kind="stable")
    sorted_scales = np.take_along_axis(np.abs(scales), order, axis=0)
    negative = np.take_along_axis(scales < 0, order, axis=0)
    result = np.zeros_like(codes)
    for i, (plane, turned) in enumerate(zip(order, negative, strict=True)):
        bit = codes >> plane[:, group].astype(np.uint8) & 1
        result |= (bit ^ turned[:, group]).astype(np.uint8) << i
    return np.concatenate([params[: int(offset)], sorted_scales]), result


def _values(params: np.ndarray, offset: bool) -> np.ndarray:
    # [m, R, G] -> float64 [R, G, K], by code.
    bits = len(params) - offset
    signs = signs_of(np.arange(1 << bits, dtype=np.uint8), bits, offset)
    return params.transpose(1, 2, 0) @ signs.T.astype(np.float64)
