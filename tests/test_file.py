"""`save` and `read`: what goes in comes out, and nothing else is ever let in."""

import errno
import json
import os
import stat
import subprocess
import sys
import time
import tracemalloc
import zlib

import ml_dtypes
import numpy as np
import pytest
import safetensors

from bcq_tf import FileFormatError, packing, read, save
from bcq_tf.codes import BinaryCodes
from bcq_tf.compositional_codes import CompositionalCodes
from bcq_tf.container import DTYPES, MAX_HEADER_BYTES
from bcq_tf.uniform_codes import UniformCodes
from tests import golden_files

ROOT = golden_files.DATA.parents[1]


def random_codes(seed, rows, columns, bits, group_size=None, offset=False, ragged=False,
                 dtype=np.float16):  # fmt: skip
    rng = np.random.default_rng(seed)
    counts = [rows] * bits
    if ragged:
        counts[1:] = sorted(rng.integers(0, rows, bits - 1, endpoint=True), reverse=True)
    groups = 1 if group_size is None else -(-columns // group_size)
    return BinaryCodes(
        [packing.pack(rng.random((n, columns)) < 0.5) for n in counts],
        [rng.random((n, groups)).astype(dtype) for n in counts],
        columns,
        group_size,
        rng.normal(size=(rows, groups)).astype(dtype) if offset else None,
        rng.permutation(rows).astype(np.int32) if ragged else None,
    )


FACTS = {
    BinaryCodes: ("columns", "group_size"),
    UniformCodes: ("columns", "bits", "limit"),
    CompositionalCodes: (),
}


def assert_same(value, expected):
    """Equal to the bit, of the same type, dtype and shape."""
    kind = type(expected)
    if kind in FACTS:
        assert type(value) is kind
        assert all(getattr(value, fact) == getattr(expected, fact) for fact in FACTS[kind])
        arrays, others = value.arrays(), expected.arrays()
        assert list(arrays) == list(others)
    else:
        arrays, others = {"": value}, {"": expected}
    for name, array in arrays.items():
        other = others[name]
        assert (array.dtype, array.shape) == (other.dtype.newbyteorder("="), other.shape)
        assert array.tobytes() == other.astype(array.dtype).tobytes()
        assert not array.flags.writeable


# What comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
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


# The format, as others see it ----------------------------------------------------------------


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


# Forged files --------------------------------------------------------------------------------
# A second writer of the format, which writes what it is told, with checksums that are right.

CODES = {"kind": "codes", "columns": 5, "group_size": None, "rows": [2, 1], "offset": False,
         "row_order": False}  # fmt: skip
ARRAY = {"kind": "array"}


def npy(body, size=None):
    size = len(body) if size is None else size
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode() + body


def forge(tensors=(), weights=None, text=None, data=None, **document):
    """Bytes of a file; tensors: (name, array) or (name, array, fields of its entry)."""
    entries, blob = {}, b""
    for name, array, *changes in tensors:
        code = next(code for code, dtype in DTYPES.items() if dtype == array.dtype)
        offsets = [len(blob), len(blob) + array.nbytes]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        entries[name].update(*changes)
        blob += array.tobytes()
    crc32 = [zlib.crc32(array) for _, array, *_ in tensors]
    weights = {t[0]: ARRAY for t in tensors} if weights is None else weights
    document = {"version": 1, "crc32": crc32, "weights": weights, "metadata": {}} | document
    document = {key: value for key, value in document.items() if value is not ...}
    if text is None:
        text = json.dumps({"__metadata__": {"bcq_tf": json.dumps(document)}} | entries)
    return seal(text, blob if data is None else data)


def seal(text, data=b"", separators=(", ", ": ")):
    """Puts checksum, padding and `.npy` header around the text of a safetensors header."""
    text = text.encode() if isinstance(text, str) else text
    text = text.replace(b'{"__metadata__": {', b'{"__metadata__":{"crc32":"00000000",', 1)
    text += b" " * (-(len(text) + 8) % 64)
    header = len(text).to_bytes(8, "little") + text
    return npy(header.replace(b"00000000", b"%08x" % zlib.crc32(header), 1) + data)


def document_text(text):
    return json.dumps({"__metadata__": {"bcq_tf": text}})


def codes_file(entry=(), **changes):
    """A file of the codes `CODES`, with changed tensors (None: without it) and entry."""
    tensors = {
        "planes": np.array([[3], [8], [31]], np.uint32),
        "scales": np.array([[1], [2], [3]], np.float16),
    } | changes
    named = [(f"w/{part}", array) for part, array in tensors.items() if array is not None]
    named.sort(key=lambda item: -item[1].itemsize)
    return forge(named, {"w": CODES | dict(entry)})


def other_file(kind, entry, tensors):
    """A file of one weight of this kind; ... stands for a field, None for a tensor, left out."""
    named = [(f"w/{part}", array) for part, array in tensors.items() if array is not None]
    named.sort(key=lambda item: -item[1].itemsize)
    entry = {key: value for key, value in entry.items() if value is not ...}
    return forge(named, {"w": {"kind": kind} | entry})


def uniform_file(entry=(), **changes):
    """A file of uniform codes with changed tensors and entry."""
    facts = {"bits": 3, "columns": 4, "limit": 0.5, "zero_rows": False}
    tensors = {"packed": np.arange(4, dtype=np.uint8).reshape(2, 2)}
    return other_file("uniform", facts | dict(entry), tensors | changes)


def compositional_file(entry=(), **changes):
    """A file of compositional codes with changed tensors and entry."""
    tensors = {
        "packed": np.array([[0], [1], [2]], np.uint8),
        "codebooks": np.ones((1, 3, 2), np.float32),
    }
    return other_file("compositional", dict(entry), tensors | changes)


F4, U1 = np.ones(3, np.float32), np.arange(4, dtype=np.uint8)
VALID = {
    "no tensors": forge(),
    "an array": forge([("a", F4)]),
    "codes": codes_file(),
    "codes with all parts": codes_file(
        {"offset": True, "row_order": True, "group_size": 32},
        offset=np.ones((2, 1), np.float16), row_order=np.array([1, 0], np.int64),
    ),
    "uniform codes": uniform_file(),
    "marked uniform codes": uniform_file({"zero_rows": True}, zero_rows=U1[2:3]),
    "compositional codes": compositional_file(),
    "odd sizes": forge([("a", F4), ("b", np.ones(3, np.int16)), ("c", np.ones(1, bool))]),
    "large and empty": forge([("a", F4[:0], {"shape": [2**40, 0, 2**18]})]),
    "unknown fields": forge(future=[1]),
}  # fmt: skip

ATTACKS = {
    # .npy
    "empty": (b"", "is empty"),
    "text": (b"hello\n" * 100, "does not begin with the .npy header"),
    "npy cut in its header": (npy(b"")[:100], "does not begin with the .npy header"),
    "npy of floats": (npy(b"").replace(b"|u1", b"<f8"), "does not begin with the .npy header"),
    "npy in Fortran order": (npy(b"").replace(b"False", b"True "), "does not begin with the .npy"),
    "npy of two axes": (npy(b"").replace(b"(0,)", b"(0,1)"), "does not begin with the .npy"),
    "npy of huge size": (npy(b"x" * 64, size=10**18), "cut short: 64 bytes where .* 10{18}"),
    "pickle": (npy(b"").replace(b"|u1", b"|O'").replace(b"''", b"'"), r"bcq_tf\.read_legacy"),
    "no body": (npy(b""), "the header cannot be"),
    # The safetensors header
    "header of 2^64 - 1 bytes": (npy(b"\xff" * 64), "header cannot be 18446744073709551615 bytes"),
    "header past the end": (npy((120).to_bytes(8, "little") + b" " * 56), "cannot be 120 bytes"),
    "header of an odd length": (npy((57).to_bytes(8, "little") + b" " * 100), "cannot be 57"),
    "header past the cap": (
        npy((MAX_HEADER_BYTES + 56).to_bytes(8, "little") + bytes(MAX_HEADER_BYTES + 56)),
        "cannot be 16777272 bytes",
    ),
    "safetensors of others": (
        npy((56).to_bytes(8, "little") + b'{"a":{}}'.ljust(56)), "does not begin as that of"),
    "wrong header checksum": (forge([("a", F4)]).replace(b'"F32"', b'"I32"'), "header fails its"),
    "header is no JSON": (seal('{"__metadata__": {"bcq_tf": '), "header is not valid JSON"),
    "header is invalid UTF-8": (seal(b'{"__metadata__": {"bcq_tf": "\xff"}}'), "not valid JSON"),
    "text after the JSON": (seal(document_text("") + "{}"), "header is not valid JSON"),
    "metadata of another sort": (seal('{"__metadata__": {"x": "y"}}'), "not those of bcq_tf"),
    "document is no string": (seal('{"__metadata__": {"bcq_tf": 1}}'), "not those of bcq_tf"),
    "repeated metadata": (
        seal('{"__metadata__": {"bcq_tf": ""}, "__metadata__": []}'), "a key appears twice"),
    "repeated tensor": (
        forge([("a", F4), ("b", F4)]).replace(b'"b": {"dtype', b'"a": {"dtype'), "fails its"),
    "repeated tensor, sealed": (
        seal('{"__metadata__": {"bcq_tf": ""}, "a": {}, "a": {}}'), "a key appears twice"),
    "deep header": (
        seal('{"__metadata__": {"bcq_tf": ""}, "a": ' + "[" * 200_000), "nested too deeply"),
    # The document
    "document is no JSON": (seal(document_text("x")), "document is not valid JSON"),
    "document is a list": (seal(document_text("[]")), "document is not a JSON object"),
    "deep document": (seal(document_text('{"a":' * 200_000)), "nested too deeply"),
    "repeated key": (seal(document_text('{"version":1,"version":1}')), "a key appears twice"),
    "NaN": (seal(document_text('{"version":NaN}')), "NaN is not finite"),
    "1e999": (seal(document_text('{"version":1e999}')), "1e999 is not finite"),
    "number of 100,000 digits": (
        seal(document_text('{"version":' + "9" * 100_000 + "}")), "not valid JSON|format version"),
    "version 2": (forge(version=2), "version is 2 and .* reads up to 1: a newer bcq_tf is needed"),
    "version 2 of other fields": (forge(version=2, crc32=..., weights=...), "newer bcq_tf"),
    "version 0": (forge(version=0), "version is 0"),
    "version true": (forge(version=True), "version is True"),
    "version 1.0": (forge(version=1.0), "version is 1.0"),
    "version of a string": (forge(version="1"), "version is '1'"),
    "no version": (forge(version=...), "version is None"),
    "no checksums": (forge(crc32=...), "checksums"),
    "too few checksums": (forge([("a", F4)], crc32=[]), "checksums of 1 tensors"),
    "a checksum that is a string": (forge([("a", F4)], crc32=["0"]), "checksums"),
    "wrong checksum": (forge([("a", F4)], crc32=[5]), r"'a' fails its checksum \(bytes 0 to 12"),
    "no weights": (forge(weights=...), "lacks weights or metadata"),
    "weights in a list": (forge(weights=[]), "lacks weights or metadata"),
    "metadata in a list": (forge(metadata=[]), "lacks weights or metadata"),
    # Tensors
    "entry is a list": (seal('{"__metadata__": {"bcq_tf": '
        + json.dumps(json.dumps({"version": 1, "crc32": [0]})) + '}, "a": []}'), "'a' needs dtype"),
    "entry with more fields": (forge([("a", F4, {"x": 1})]), "'a' needs dtype, shape and"),
    "unknown dtype": (forge([("a", F4, {"dtype": "F99"})]), "unknown dtype 'F99'"),
    "dtype that is a list": (forge([("a", F4, {"dtype": []})]), "unknown dtype"),
    "negative dimension": (forge([("a", F4, {"shape": [-3]})]), r"impossible shape \[-3\]"),
    "float dimension": (forge([("a", F4, {"shape": [3.0]})]), "impossible shape"),
    "boolean dimension": (forge([("a", F4[:1], {"shape": [True]})]), "impossible shape"),
    "shape that is a number": (forge([("a", F4, {"shape": 3})]), "impossible shape"),
    "33 dimensions": (forge([("a", F4[:1], {"shape": [1] * 33})]), "impossible shape"),
    "10,000 dimensions": (forge([("a", F4[:1], {"shape": [2] * 10**4})]), "impossible shape"),
    "huge dimension": (forge([("a", F4, {"shape": [2**61]})]), "impossible shape .*23058430092"),
    "large dimension": (forge([("a", F4, {"shape": [2**60]})]), "'a' of 4611.* bytes cannot be at"),
    "overflowing dimensions": (
        forge([("a", F4, {"shape": [2**33, 2**33]})]), "impossible shape"),
    "huge and empty": (forge([("a", F4[:0], {"shape": [2**61, 0]})]), "impossible shape"),
    "1 TB": (forge([("a", F4, {"shape": [2**38], "data_offsets": [0, 2**40]})]), "cannot be at"),
    "other size": (forge([("a", F4, {"shape": [2]})]), "'a' of 8 bytes cannot be at offsets"),
    "offsets that are a string": (forge([("a", F4, {"data_offsets": "x"})]), "cannot be at"),
    "offsets of floats": (forge([("a", F4, {"data_offsets": [0.5, 12.5]})]), "cannot be at"),
    "three offsets": (forge([("a", F4, {"data_offsets": [0, 12, 12]})]), "cannot be at"),
    "negative offsets": (forge([("a", F4, {"data_offsets": [-12, 0]})]), "cannot be at"),
    "overlap": (forge([("a", F4), ("b", F4, {"data_offsets": [0, 12]})]), "'b' of 12 bytes"),
    "hole": (
        forge([("a", F4, {"data_offsets": [4, 16]})], data=bytes(16)), r"at offsets \[4, 16\]"),
    "data cut short": (forge([("a", F4)], data=F4.tobytes()[:8]), "cannot be at offsets"),
    "data after the end": (forge([("a", F4)], data=F4.tobytes() + b"x"), "take 12 of 13 bytes"),
    "data of no tensor": (forge(data=b"x"), "take 0 of 1 bytes"),
    "unaligned": (forge([("b", U1[:1]), ("a", F4)]), r"'a' of 12 bytes .* \[1, 13\]"),
    "boolean 2": (forge([("a", U1, {"dtype": "BOOL"})]), "'a' has booleans other than 0 and 1"),
    "tensor of no weight": (
        forge([("a", F4), ("b", U1)], {"a": ARRAY}), "'b' belongs to no weight"),
    "weight of no tensor": (forge([("a", F4)], {"a": ARRAY, "b": ARRAY}), "'b' is missing"),
    "weight without an entry": (forge([("a", F4)], {"a": None}), "'a' is of the unknown kind None"),
    "unknown kind": (forge([("a", F4)], {"a": {"kind": "x"}}), "of the unknown kind 'x'"),
    "kind that is a list": (forge([("a", F4)], {"a": {"kind": []}}), "of the unknown kind"),
    "name with a line break": (forge([("a\nb" * 100, F4)], {}), r"tensor 'a\\nba\\nb.*\.\.\. bel"),
    # Other codes
    "uniform without a limit": (uniform_file({"limit": ...}), "'w' has an entry that breaks"),
    "limit of an integer": (uniform_file({"limit": 10**4000}), "'w' has an entry that breaks"),
    "negative limit": (uniform_file({"limit": -0.5}), "'w': `limit` must be"),
    "limit past float32": (uniform_file({"limit": 1e300}), "'w': `limit` must be"),
    "9 bits": (uniform_file({"bits": 9}), "'w': `bits` must be"),
    "bits true": (uniform_file({"bits": True}), "entry that breaks"),
    "columns of 10^30 fields": (uniform_file({"columns": 10**30}), "`packed` must be"),
    "unsaid zero rows": (uniform_file(zero_rows=U1[1:2]), "'w/zero_rows' belongs to no weight"),
    "no zero rows": (uniform_file({"zero_rows": True}), "'w/zero_rows' is missing"),
    "fields past the end": (uniform_file(packed=U1.reshape(2, 2) << 6), "padding bits of 0"),
    "index past the codebook": (compositional_file(packed=U1.reshape(4, 1)), "from 0 to 2. .* 3"),
    "no codebooks": (compositional_file(codebooks=None), "'w/codebooks' is missing"),
    "codebooks of float64": (compositional_file(codebooks=np.ones((1, 3, 2))), "must be float32"),
    "compositional of more fields": (compositional_file({"x": 1}), "entry that breaks"),
    # Codes
    "tensor used twice": (
        forge([("w/planes", np.zeros((2, 1), np.uint32)), ("w/scales", np.ones((2, 1), "f2"))],
              {"w/planes": ARRAY, "w": CODES | {"rows": [2]}}), "'w/planes' is missing"),
    "no scales": (codes_file(scales=None), "'w/scales' is missing"),
    "no offset": (codes_file({"offset": True}), "'w/offset' is missing"),
    "unsaid offset": (codes_file(offset=np.ones((2, 1), "f2")), "'w/offset' belongs to no weight"),
    "missing field": (forge([], {"w": {"kind": "codes"}}), "'w' has an entry that breaks"),
    "unknown field": (codes_file({"x": 1}), "'w' has an entry that breaks"),
    "columns true": (codes_file({"columns": True}), "entry that breaks"),
    "columns 0": (codes_file({"columns": 0}), "'w': `columns` must be a positive integer"),
    "columns 33": (codes_file({"columns": 33}), r"`planes` must be \[n, 2\]"),
    "columns 10^30": (codes_file({"columns": 10**30}), "`planes` must be"),
    "columns of 4,000 digits": (codes_file({"columns": 10**4000}), "`planes` must be"),
    "group size 33": (codes_file({"group_size": 33}), "`group_size` must be"),
    "group size 32.0": (codes_file({"group_size": 32.0}), "entry that breaks"),
    "rows that do not add up": (codes_file({"rows": [2, 2]}), "'w': the planes' rows do not add"),
    "rows that rise": (codes_file({"rows": [1, 2]}), "`planes` must be"),
    "no rows": (codes_file({"rows": []}), "entry that breaks"),
    "nine planes": (codes_file({"rows": [1] * 3 + [0] * 6}), "entry that breaks"),
    "negative rows": (codes_file({"rows": [4, -1]}), "entry that breaks"),
    "no row at all": (
        codes_file({"rows": [0]}, planes=np.zeros((0, 1), "u4"), scales=np.zeros((0, 1), "f2")),
        "`planes` must have at least one row"),
    "planes of one axis": (codes_file(planes=np.zeros(3, np.uint32)), "do not add up"),
    "planes of no axis": (codes_file(planes=np.array(0, np.uint32)), "do not add up"),
    "planes of int32": (codes_file(planes=np.zeros((3, 1), np.int32)), "`planes` must be uint32"),
    "padding bits": (
        codes_file(planes=np.array([[3], [8], [32]], np.uint32)), "padding bits .*plane 1"),
    "scales of too few rows": (codes_file(scales=np.ones((2, 1), np.float16)), "do not add up"),
    "scales of two groups": (codes_file(scales=np.ones((3, 2), np.float16)), "must be"),
    "scales of integers": (codes_file(scales=np.ones((3, 1), np.int16)), "floating dtype"),
    "scales of NaN": (codes_file(scales=np.full((3, 1), np.nan, np.float16)), "must be finite"),
    "offset of another shape": (
        codes_file({"offset": True}, offset=np.ones((3, 1), np.float16)), "`offset` must be"),
    "row order with a repetition": (
        codes_file({"row_order": True}, row_order=np.array([0, 0])), "must be a permutation"),
    "row order of floats": (
        codes_file({"row_order": True}, row_order=np.array([0.0, 1])), "integer dtype"),
}  # fmt: skip


@pytest.mark.parametrize("name", VALID)
def test_the_second_writer_writes_files_that_are_read(tmp_path, name):
    (tmp_path / "a.npy").write_bytes(VALID[name])
    read(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_in_one_line_and_little_memory(tmp_path, name):
    data, message = ATTACKS[name]
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=message) as caught:
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"'{path}' is not a whole bcq_tf file: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak < 1_000_000 + 20 * len(data)


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


# Bad arguments, and interrupts ---------------------------------------------------------------

TWO_DTYPES = BinaryCodes(
    [np.ones((1, 1), np.uint32)] * 2, [np.ones((1, 1), "f2"), np.ones((1, 1), "f4")], 1
)
LOOP = {}
LOOP["a"] = LOOP


class NotADict(dict):
    pass


@pytest.mark.parametrize(("tensors", "metadata", "error", "message"), [
    ([("a", F4)], None, TypeError, "`tensors` must be a mapping. Received: list"),
    ({1: F4}, None, TypeError, "`tensors` must have strings as keys. Received: 1"),
    ({"": F4}, None, ValueError, "printable names. Received: ''"),
    ({"a\n": F4}, None, ValueError, r"printable names. Received: 'a\\n'"),
    ({"\ud800": F4}, None, ValueError, "printable names. Received"),
    ({"__metadata__": F4}, None, ValueError, "printable names. Received: '__metadata__'"),
    ({"a": np.array(["x"])}, None, TypeError, r"Received: ndarray of dtype <U1 \(weight 'a'\)"),
    ({"a": np.array([{}])}, None, TypeError, r"dtype object \(weight 'a'\)"),
    ({"a": np.ones(2, complex)}, None, TypeError, r"dtype complex128 \(weight 'a'\)"),
    ({"a": np.ones(2, np.longdouble)}, None, TypeError, r"dtype .* \(weight 'a'\)"),
    ({"a": np.zeros(2, "datetime64[s]")}, None, TypeError, "dtype datetime64"),
    ({"a": np.zeros(2, ml_dtypes.int4)}, None, TypeError, "dtype int4"),
    ({"a": np.zeros(2, [("x", "f4")])}, None, TypeError, "Received: ndarray of dtype"),
    ({"a": None}, None, TypeError, "Received: NoneType of dtype object"),
    ({"a": random_codes(0, 2, 3, 1), "a/planes": F4}, None, ValueError, "Received: 'a/planes'"),
    ({"a": TWO_DTYPES}, None, ValueError, r"`scales` must be of one dtype.* \(weight 'a'\)"),
    ({}, [], TypeError, "`metadata` must be a dict. Received: list"),
    ({}, {1: 2}, TypeError, "`metadata` must have strings as keys. Received: 1"),
    ({}, {"a": {"b": [0, {None: 1}]}}, TypeError, r"`metadata`\['a'\]\['b'\]\[1\] must have str"),
    ({}, {"a": float("nan")}, ValueError, r"`metadata`\['a'\] must be finite. Received: nan"),
    ({}, {"a": [1, -np.inf]}, ValueError, r"`metadata`\['a'\]\[1\] must be finite"),
    ({}, {"a": np.float32(1)}, TypeError, r"`metadata`\['a'\] .* Received: float32"),
    ({}, {"a": {1, 2}}, TypeError, r"`metadata`\['a'\] must be a value that JSON has. .* set"),
    ({}, {"a": b"x"}, TypeError, "Received: bytes"),
    ({}, {"a": np.arange(3)}, TypeError, "Received: ndarray"),
    ({}, LOOP, ValueError, "nested more than 200 levels deep"),
    ({}, {"a": "x" * MAX_HEADER_BYTES}, ValueError, "must take at most 16777216 bytes as JSON"),
])  # fmt: skip
def test_bad_arguments_are_refused_and_the_old_file_stays(
    tmp_path, tensors, metadata, error, message
):
    path = tmp_path / "a.bcq.npy"
    path.write_bytes(b"precious")
    with pytest.raises(error, match=message) as caught:
        save(path, tensors, metadata)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.bcq.npy"]


@pytest.mark.parametrize("name", ["a.npy", "a.bcq", "a.bcq.npy.tmp", "abcq.npy"])
def test_a_path_of_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"`path` must end with '\.bcq\.npy'\. Received: path="):
        save(tmp_path / name, {})
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder: .*none'"):
        save(tmp_path / "none" / "a.bcq.npy", {})


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")], ids=repr
)
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, where, error):
    path = tmp_path / "a.bcq.npy"
    save(path, {"old": F4})
    before = path.read_bytes()

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, where, fail)
        with pytest.raises(type(error)):
            save(path, {"new": F4})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.bcq.npy"]


def test_the_data_reach_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append((kind, os.fstat(descriptor).st_size))
        fsync(descriptor)

    def logged_replace(source, target):
        assert os.path.dirname(source) == os.path.dirname(target)
        calls.append(("replace",))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "replace", logged_replace)
    size = save(tmp_path / "a.bcq.npy", {"a": F4})
    assert [call[0] for call in calls] == ["file", "replace", "folder"]
    assert calls[0] == ("file", size)


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    save(tmp_path / "a.bcq.npy", {})
    (tmp_path / "b").touch()
    assert (tmp_path / "a.bcq.npy").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.bcq.npy").symlink_to(tmp_path / "there" / "b")
    save(tmp_path / "a.bcq.npy", {"a": F4})
    assert (tmp_path / "a.bcq.npy").is_symlink()
    assert list(read(tmp_path / "there" / "b")) == ["a"]


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.bcq.npy"
    save(path, {"a": np.zeros(2_000_000)})
    code = (
        "import numpy as np, sys; from bcq_tf import save; print(flush=True)\n"
        "for i in range(10**9): save(sys.argv[1], {'a': np.full(2_000_000, float(i))})"
    )
    for seconds in (0.05, 0.11, 0.2):
        command = [sys.executable, "-c", code, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        array = read(path)["a"]
        assert np.all(array == array[0])
