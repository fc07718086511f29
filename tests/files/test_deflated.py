"""Bytes of vocabularies in fewer bytes, and what is no such thing."""

import zlib

import numpy as np
import pytest

from bcq_tf.files.deflated import MOST, deflate, inflate

WORDS = np.frombuffer("\n".join(f"word{i}" for i in range(2000)).encode(), np.uint8)


def octets(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


def test_content_comes_back():
    small = deflate(WORDS)
    assert len(small) < len(WORDS) / 2
    np.testing.assert_array_equal(inflate(small, len(WORDS)), WORDS)


@pytest.mark.parametrize(
    "content",
    [b"", WORDS[:4000].tobytes(), np.random.default_rng(0).bytes(10_000), bytes(100_000)],
    ids=["nothing", "short", "noise", "nothing but zeros"],
)
def test_what_gains_nothing_or_too_much_stays(content):
    assert deflate(octets(content)) is None


@pytest.mark.parametrize(
    ("small", "size"),
    [
        (deflate(WORDS), len(WORDS) - 1),
        (deflate(WORDS), len(WORDS) + 1),
        (deflate(WORDS), 0),
        (deflate(WORDS)[:-1], len(WORDS)),
        (np.append(deflate(WORDS), np.uint8(0)), len(WORDS)),
        (octets(b"no zlib"), 3),
        (octets(b""), 0),
        (octets(zlib.compress(bytes(1 << 20), 9)), 1 << 20),
        (deflate(WORDS), MOST * len(WORDS)),
    ],
    ids=["short", "long", "none", "cut", "more", "other", "empty", "bomb", "claim"],
)
def test_other_bytes_are_refused(small, size):
    with pytest.raises(ValueError, match="bytes|incorrect|invalid|incomplete"):
        inflate(small, size)
