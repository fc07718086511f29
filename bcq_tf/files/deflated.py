"""Bytes in fewer bytes: what vocabularies and merges take in files (zlib, RFC 1950)."""

from __future__ import annotations

import zlib

import numpy as np

LEAST = 4096  # bytes, below which there is little to gain
MOST = 64  # times as many bytes as they take, so that a small file makes no large one


def deflate(content: np.ndarray) -> np.ndarray | None:
    """Uint8 [bytes] in at least an eighth fewer; None for content shorter than `LEAST`, where there
    is no way, or one past `MOST`."""
    if len(content) < LEAST:
        return None
    small = np.frombuffer(zlib.compress(content.tobytes()), np.uint8)
    return small if len(content) / MOST <= len(small) < 0.875 * len(content) else None


def inflate(small: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `deflate`, of content of so many bytes.

    Raises:
        ValueError: it is not what `deflate` gives for any content of that size.
    """
    if size > MOST * len(small):
        raise ValueError(f"more than {MOST} times as many bytes")
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(small.tobytes(), size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"other than {size} bytes")
    return np.frombuffer(content, np.uint8)
