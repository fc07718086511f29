"""`save` and `read`: what goes in comes out."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from bcq_tf import read, save
from bcq_tf.codes import BinaryCodes, CompositionalCodes, UniformCodes, packing
from bcq_tf.codes.row_bits import plane_rows
from bcq_tf.files.container import DTYPES
from tests.files import golden_files
from tests.files.values import assert_same, random_codes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, "e5m4"])
@pytest.mark.parametrize(("group_size", "offset", "ragged"), [
    (None, False, False), (32, False, False), (64, True, False), (None, True, True),
    (32, True, True),
])  # fmt: skip
@pytest.mark.parametrize(("rows", "columns", "bits"), [
    (1, 1, 1), (3, 31, 2), (4, 32, 3), (5, 33, 8), (7, 100, 4),
])  # fmt: skip
def test_codes_come_back(tmp_path, rows, columns, bits, group_size, offset, ragged, dtype):
    seed = rows + 1000 * bits
    codes = random_codes(seed, rows, columns, bits, group_size, offset, ragged, dtype)
    save(tmp_path / "a.bcq.npy", {"w": codes})
    back = read(tmp_path / "a.bcq.npy")["w"]
    assert_same(back, codes)
    np.testing.assert_array_equal(back.reconstruct(), codes.reconstruct(), f"{seed=}")


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize(("bits", "limit"), [(1, 0.1), (3, 2.0), (8, 0.0), (5, 1e-30)])
def test_uniform_codes_come_back(tmp_path, bits, limit, marked):
    fields = np.random.default_rng(bits).integers(0, 1 << bits, (9, 13))
    marks = np.array([0b10000001, 1], np.uint8) if marked else None
    codes = UniformCodes(packing.pack_fields(fields, bits), limit, bits, 13, marks)
    save(tmp_path / "a.bcq.npy", {"w": codes})
    assert_same(read(tmp_path / "a.bcq.npy")["w"], codes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("entries", [1, 16, 17, 300])
def test_compositional_codes_come_back(tmp_path, entries, dtype):
    rng = np.random.default_rng(entries)
    indexes = rng.integers(0, entries, (9, 5))
    codes = CompositionalCodes.of(indexes, rng.normal(size=(5, entries, 7)).astype(dtype))
    save(tmp_path / "a.bcq.npy", {"w": codes})
    assert_same(read(tmp_path / "a.bcq.npy")["w"], codes)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (3, 0, 2), (2, 3, 4), (1,) * 20])
@pytest.mark.parametrize("code", DTYPES)
def test_arrays_come_back(tmp_path, code, shape):
    array = (np.arange(np.prod(shape, dtype=int)) % 5).reshape(shape).astype(DTYPES[code])
    save(tmp_path / "a.bcq.npy", {"w": array})
    assert_same(read(tmp_path / "a.bcq.npy")["w"], array)


@pytest.mark.parametrize("array", [
    np.arange(6, dtype=">i4"), np.arange(6.0).reshape(2, 3).T, np.arange(9)[::-2],
    np.array([np.nan, -0.0, np.inf]), np.float32(3), np.array(7, ">f2"),
    np.array([0x7FA00001], np.uint32).view(np.float32), np.asfortranarray(np.ones((2, 3))),
    np.array([-1.5, np.nan], ml_dtypes.bfloat16)[::-1],
], ids=repr)  # fmt: skip
def test_unusual_arrays_come_back(tmp_path, array):
    save(tmp_path / "a.bcq.npy", {"w": array})
    assert_same(read(tmp_path / "a.bcq.npy")["w"], np.asarray(array))


def test_scales_of_another_byte_order_come_back(tmp_path):
    codes = BinaryCodes([np.ones((2, 1), np.uint32)], [np.array([[1.5], [2]], ">f2")], 4)
    save(tmp_path / "a.bcq.npy", {"w": codes})
    assert_same(read(tmp_path / "a.bcq.npy")["w"], codes)


@pytest.mark.parametrize("metadata", [
    None, {}, {"a": [1, 2.5, -0.0, 1e300, True, None, "x"], "b": {"c": {}}, "": []},
    {"naïve \ud800 \u0000 \n \" \\ ": "\udfff 𝄞"}, {"big": 2**200}, {"crc32": "\",\"crc32\":\"0"},
], ids=str)  # fmt: skip
def test_metadata_come_back(tmp_path, metadata):
    save(tmp_path / "a.bcq.npy", {}, metadata)
    assert read(tmp_path / "a.bcq.npy").metadata == (metadata or {})


def test_tuples_in_metadata_come_back_as_lists(tmp_path):
    save(tmp_path / "a.bcq.npy", {}, {"a": (1, (2,))})
    assert read(tmp_path / "a.bcq.npy").metadata == {"a": [1, [2]]}


def test_the_mapping_keeps_order_and_tells_its_size(tmp_path):
    path = tmp_path / "a.bcq.npy"
    names = ["z", "é/ü", "a b", "a", "0", "a/offset", "crc32", "v" * 300]
    size = save(path, {name: np.zeros(3) for name in names} | {"w": random_codes(0, 3, 40, 2)})
    file = read(str(path))
    assert list(file) == [*names, "w"]
    assert len(file) == 9
    assert "w" in file
    assert "x" not in file
    assert size == file.nbytes == path.stat().st_size
    assert repr(file) == f"QuantizedFile({str(path)!r}, 9 weights, {size} bytes)"
    with pytest.raises(TypeError):
        file["w"] = 1
    with pytest.raises(TypeError):
        file.weights["w"] = 1
    with pytest.raises(AttributeError):
        file.metadata = {}
    with pytest.raises(ValueError, match="read-only"):
        file["a"][0] = 1


def test_equal_arguments_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        tensors = {"w": random_codes(1, 9, 70, 3, 32), "x": np.arange(5)}
        save(tmp_path / f"{name}.bcq.npy", tensors, {"m": [1.5, "y"]})
    assert (tmp_path / "a.bcq.npy").read_bytes() == (tmp_path / "b.bcq.npy").read_bytes()


def test_what_was_read_can_be_saved_to_the_same_path(tmp_path):
    path = tmp_path / "a.bcq.npy"
    save(path, {"w": random_codes(2, 9, 70, 3), "x": np.arange(5)})
    before, file = path.read_bytes(), read(path)
    save(path, file, file.metadata)
    assert path.read_bytes() == before
    save(path, {"x": np.zeros(1)})
    np.testing.assert_array_equal(file["x"], np.arange(5))  # what is mapped stays


def test_reading_maps_the_file_and_copies_nothing(tmp_path):
    path = tmp_path / "a.bcq.npy"
    save(path, {"w": random_codes(3, 1000, 4096, 2), "x": np.ones(100_000, np.float32)})
    tracemalloc.start()
    try:
        file = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.nbytes > 1_400_000
    assert peak < 100_000


def test_files_of_version_1_are_read_for_ever():
    file = read(golden_files.CODES_V1)
    expected = golden_files.codes_v1()
    assert list(file) == list(expected)
    for name, value in expected.items():
        assert_same(file[name], value)
    assert file.metadata == golden_files.METADATA


def test_version_1_is_written_as_it_always_was(tmp_path):
    save(tmp_path / "a.bcq.npy", golden_files.codes_v1(), golden_files.METADATA)
    assert (tmp_path / "a.bcq.npy").read_bytes() == golden_files.CODES_V1.read_bytes()


@pytest.mark.parametrize("bits", [2, 4, 7])
def test_an_order_that_bits_tell_takes_their_place(tmp_path, bits):
    rng = np.random.default_rng(bits)
    row_bits = rng.integers(1, bits + 1, 1000)
    row_bits[0] = bits
    planes = plane_rows(row_bits)
    codes = BinaryCodes(
        [packing.pack(rng.random((n, 32)) < 0.5) for n in planes],
        [rng.random((n, 1)).astype(np.float16) for n in planes],
        32,
        row_order=np.argsort(-row_bits, kind="stable").astype(np.int32),
    )
    save(tmp_path / "a.bcq.npy", {"w": codes})
    found = read(tmp_path / "a.bcq.npy")["w"]
    assert_same(found, codes)
    np.testing.assert_array_equal(found.row_bits, row_bits)
    of_bits = {2: 125, 4: 250, 7: 375}[bits]
    assert codes.nbytes == sum(planes) * 6 + of_bits
    assert (tmp_path / "a.bcq.npy").stat().st_size < codes.nbytes + 1000
