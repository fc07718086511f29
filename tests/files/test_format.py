"""The format as other programs see it."""

import numpy as np
import pytest
import safetensors

from bcq_tf import read, save
from bcq_tf.codes import BinaryCodes
from bcq_tf.files.container import DTYPES
from tests.files import golden_files
from tests.files.values import random_codes

ROOT = golden_files.DATA.parents[2]


@pytest.fixture
def mixed(tmp_path):
    """A file with tensors of many sizes."""
    tensors = {f"x{n}": np.arange(n).astype(t) for n in (1, 7, 64, 65) for t in "bhfd"}
    path = tmp_path / "mixed.bcq.npy"
    save(path, tensors | {"w": random_codes(4, 5, 70, 3, 32, True, True), "t": np.array([True])})
    return path


def test_numpy_opens_and_maps_it_without_pickle_and_saves_the_same(mixed, tmp_path):
    mapped = np.load(mixed, mmap_mode="r", allow_pickle=False)
    assert (mapped.dtype, mapped.ndim) == (np.uint8, 1)
    np.save(tmp_path / "again.npy", np.load(mixed))
    assert (tmp_path / "again.npy").read_bytes() == mixed.read_bytes()


def test_safetensors_reads_the_bytes(mixed):
    theirs = dict(safetensors.deserialize(np.load(mixed).tobytes()))
    codes = read(mixed)["w"]
    planes = np.frombuffer(theirs["w/planes"]["data"], "<u4").reshape(theirs["w/planes"]["shape"])
    np.testing.assert_array_equal(planes, np.concatenate(codes.planes))
    for name, value in read(mixed).items():
        if name != "w":
            assert DTYPES[theirs[name]["dtype"]] == value.dtype
            assert bytes(theirs[name]["data"]) == value.tobytes()


def test_tensors_are_aligned(mixed):
    file = read(mixed)
    start = np.load(mixed, mmap_mode="r").ctypes.data  # of another map: equal within a page
    arrays = [a for v in file.values() for a in (v.arrays().values() if v is file["w"] else [v])]
    assert start % 64 == 0
    assert all(array.flags.aligned for array in arrays)
    assert all(a.ctypes.data % 64 == 0 for n, a in file.items() if n != "w" and not a.nbytes % 64)


def test_the_documented_example_is_true(tmp_path):
    page = (ROOT / "docs" / "file-format.md").read_text("utf-8")
    codes = BinaryCodes(
        [np.array([[13]], np.uint32), np.array([[18]], np.uint32)],
        [np.array([[0.5]], np.float16), np.array([[0.25]], np.float16)],
        columns=5,
    )
    np.testing.assert_array_equal(codes.reconstruct(), [[0.25, -0.25, 0.25, 0.25, -0.25]])
    size = save(tmp_path / "a.bcq.npy", {"w": codes, "bias": np.array([-2], "f4")}, {"epoch": 7})
    data = (tmp_path / "a.bcq.npy").read_bytes()
    header = int.from_bytes(data[128:136], "little")
    assert data[136 : 136 + header].decode().rstrip() in page
    assert f"{data[136 + header :].hex(' ', 4)}" in page
    assert f"{size:,} bytes" in page
    assert f"{header:,} " in page
