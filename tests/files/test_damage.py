"""Damaged files, and what is no file."""

import os

import numpy as np
import pytest

from bcq_tf import FileFormatError, read
from tests.files import golden_files


@pytest.fixture(scope="module")
def small():
    return golden_files.CODES_V1.read_bytes()


def is_read(path):
    try:
        read(path)
    except FileFormatError:
        return False
    return True


def survivors(path, variants):
    """The names of those files that are read without an error."""
    result = []
    for name, data in variants:
        path.write_bytes(data)
        if is_read(path):
            result.append(name)
    return result


def test_every_flipped_bit_is_found(tmp_path, small):
    path = tmp_path / "a.npy"
    path.write_bytes(small)
    assert is_read(path)
    found = []
    # In place, byte by byte: 15,000 rewritten files would keep some file systems busy.
    with open(path, "r+b", buffering=0) as file:
        for i, byte in enumerate(small):
            for bit in range(8):
                os.pwrite(file.fileno(), bytes([byte ^ 1 << bit]), i)
                found.append(not is_read(path))
            os.pwrite(file.fileno(), bytes([byte]), i)
    assert is_read(path)
    assert len(found) == 8 * len(small)
    assert all(found), f"undetected: bit {found.index(False) % 8} of byte {found.index(False) // 8}"


def test_every_truncation_is_found(tmp_path, small):
    cut = ((n, small[:n]) for n in range(len(small)))
    assert survivors(tmp_path / "a.npy", cut) == []


def test_bytes_that_are_put_in_or_taken_out_are_found(tmp_path, small):
    def changed():
        for i in range(0, len(small) + 1, 3):
            yield ("taken", i), small[:i] + small[i + 1 :] if i < len(small) else b""
            for byte in b"\x00 \n":
                yield ("put", i, byte), small[:i] + bytes([byte]) + small[i:]
        yield "appended", small + bytes(1000)
        yield "twice", small + small
        yield "before", b"\x00" + small

    assert survivors(tmp_path / "a.npy", changed()) == []


@pytest.mark.parametrize("seed", range(3))
def test_random_damage_is_found(tmp_path, small, seed):
    rng = np.random.default_rng(seed)

    def damaged():
        for trial in range(500):
            data = np.frombuffer(small, np.uint8).copy()
            begin, end = np.sort(rng.integers(0, len(data), 2, endpoint=True))
            data[begin:end] = rng.integers(0, 256, end - begin)
            if data.tobytes() != small:
                yield (seed, trial), data.tobytes()

    assert survivors(tmp_path / "a.npy", damaged()) == []


def test_a_missing_file_and_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.bcq\.npy"):
        read(tmp_path / "none.bcq.npy")
    with pytest.raises(FileFormatError, match="not a regular file"):
        read(tmp_path)
    with pytest.raises(TypeError, match="`path` must be a path. Received: int"):
        read(3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.bcq.npy")
    with pytest.raises(FileFormatError, match="not a regular file"):
        read(tmp_path / "pipe.bcq.npy")
