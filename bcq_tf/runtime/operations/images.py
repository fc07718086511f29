"""Images of another size: x [B, height, width, C]."""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import operation


@operation("resize_nearest")
def resize_nearest(x, lengths, *, corners: bool, centers: bool):
    """Each pixel from the nearest one. corners: those outermost stay; centers: pixels are areas
    and not points."""
    for axis, length in zip((1, 2), lengths, strict=True):
        places = _places(x.shape[axis], int(length), corners, False)
        scale = _scale(x.shape[axis], int(length), corners)
        places = np.floor((np.arange(length) + 0.5) * scale) if centers else places
        places = np.round(places) if corners else np.floor(places)
        x = np.take(x, np.clip(places, 0, x.shape[axis] - 1).astype(np.int64), axis)
    return x


@operation("resize_bilinear")
def resize_bilinear(x, lengths, *, corners: bool, centers: bool):
    """Each pixel between the nearest ones, float32; corners, centers: as of `resize_nearest`."""
    x = x.astype(np.float32)
    for axis, length in zip((1, 2), lengths, strict=True):
        places = _places(x.shape[axis], int(length), corners, centers)
        below = np.floor(places)
        share = (
            (places - below).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(4)])
        )
        last = x.shape[axis] - 1
        first, second = (np.clip(below + i, 0, last).astype(np.int64) for i in (0, 1))
        low, high = np.take(x, first, axis), np.take(x, second, axis)
        x = low + (high - low) * share
    return x


def _scale(length: int, wanted: int, corners: bool) -> np.float32:
    if corners and wanted > 1:
        return np.float32(length - 1) / np.float32(wanted - 1)
    return np.float32(length) / np.float32(wanted)


def _places(length: int, wanted: int, corners: bool, centers: bool) -> np.ndarray:
    # Where each pixel stands among those that there are, float32.
    scale, numbers = _scale(length, wanted, corners), np.arange(wanted, dtype=np.float32)
    return (numbers + np.float32(0.5)) * scale - np.float32(0.5) if centers else numbers * scale
