"""Forged files: nothing that breaks the format is ever let in."""

import json
import math
import tracemalloc

import numpy as np
import pytest

from bcq_tf import FileFormatError, read
from bcq_tf.files.container import MAX_HEADER_BYTES
from tests.files.forged import (
    ARRAY,
    CODES,
    codes_file,
    compositional_file,
    document_text,
    forge,
    many_tensors,
    npy,
    seal,
    uniform_file,
)

F4, U1 = np.ones(3, np.float32), np.arange(4, dtype=np.uint8)
VALID = {
    "no tensors": forge(),
    "an array": forge([("a", F4)]),
    "codes": codes_file(),
    "codes with all parts": codes_file(
        {"offset": True, "row_order": True, "group_size": 32},
        offset=np.ones((2, 1), np.float16), row_order=np.array([1, 0], np.int64),
    ),
    "codes with a compact order": codes_file(
        {"row_order": "compact"}, row_order=np.array([2], np.uint8)
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
        seal('{"__metadata__": {"bcq_tf": ""}, "a": ' + "[" * 20_000), "nested too deeply"),
    # The document
    "document is no JSON": (seal(document_text("x")), "document is not valid JSON"),
    "document is a list": (seal(document_text("[]")), "document is not a JSON object"),
    "deep document": (seal(document_text('{"a":' * 10_000)), "nested too deeply"),
    "repeated key": (seal(document_text('{"version":1,"version":1}')), "a key appears twice"),
    "NaN": (seal(document_text('{"version":NaN}')), "NaN is not finite"),
    "1e999": (seal(document_text('{"version":1e999}')), "1e999 is not finite"),
    "many lists": (seal(document_text("[" + "[]," * 100_000 + "[]]")), "hold too many values"),
    "many objects": (seal(document_text('{"a":[' + '{"":0},' * 50_000)), "hold too many values"),
    "many numbers": (seal(document_text("[" + "1," * 2**20)), "hold too many values"),
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
    "32,769 tensors": (many_tensors(2**15 + 1), "has more than 32768 tensors"),
    "a name of 3 MB": (forge([("a" * 3_000_000, F4)], {}), "tensor 'aaa.*belongs to no weight"),
    "weight of no tensor": (forge([("a", F4)], {"a": ARRAY, "b": ARRAY}), "'b' is missing"),
    "weight without an entry": (forge([("a", F4)], {"a": None}), "'a' is of the unknown kind None"),
    "unknown kind": (forge([("a", F4)], {"a": {"kind": "x"}}), "of the unknown kind 'x'"),
    "kind that is a list": (forge([("a", F4)], {"a": {"kind": []}}), "of the unknown kind"),
    "name with a line break": (forge([("a\nb" * 100, F4)], {}), r"tensor 'a\\nba\\nb.*\.\.\. bel"),
    # Other codes
    "uniform without a limit": (uniform_file({"limit": ...}), "'w' has an entry that breaks"),
    "limit of an integer": (uniform_file({"limit": 10**4000}), "`limit` must be .*<int>"),
    "negative limit": (uniform_file({"limit": -0.5}), "'w': `limit` must be"),
    "limit past float32": (uniform_file({"limit": 1e300}), "'w': `limit` must be"),
    "limit at the end of float32": (
        uniform_file({"limit": float(np.finfo("f4").max)}), "'w': `limit` must be"),
    "limit of NaN": (uniform_file({"limit": math.nan}), "NaN is not finite"),
    "9 bits": (uniform_file({"bits": 9}), "'w': `bits` must be"),
    "limit true": (uniform_file({"limit": True}), "'w': `limit` must be"),
    "bits true": (uniform_file({"bits": True}), "'w': `bits` must be .* bits=True"),
    "zero rows of a number": (uniform_file({"zero_rows": 0}), "entry that breaks"),
    "columns of 10^30 fields": (uniform_file({"columns": 10**30}), "`packed` must be"),
    "unsaid zero rows": (uniform_file(zero_rows=U1[1:2]), "'w/zero_rows' belongs to no weight"),
    "no zero rows": (uniform_file({"zero_rows": True}), "'w/zero_rows' is missing"),
    "fields past the end": (uniform_file(packed=U1.reshape(2, 2) << 6), "padding bits of 0"),
    "index past the codebook": (compositional_file(packed=U1.reshape(4, 1)), "from 0 to 2. .* 3"),
    "no codebooks": (compositional_file(codebooks=None), "'w/codebooks' is missing"),
    "codebooks of float64": (compositional_file(codebooks=np.ones((1, 3, 2))), "must be float32"),
    "codebooks of NaN": (
        compositional_file(codebooks=np.full((1, 3, 2), np.nan, "f4")), "must be finite"),
    "codebooks whose sum is past float32": (
        compositional_file(packed=U1.reshape(4, 1) % 3, codebooks=np.full((2, 2, 2), 3e38, "f4")),
        "sums in the range of float32"),
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
    "columns true": (codes_file({"columns": True}), "`columns` must be .* columns=True"),
    "columns 0": (codes_file({"columns": 0}), "'w': `columns` must be a positive integer"),
    "columns 33": (codes_file({"columns": 33}), r"`planes` must be \[n, 2\]"),
    "columns 10^30": (codes_file({"columns": 10**30}), "`planes` must be"),
    "columns of 4,000 digits": (codes_file({"columns": 10**4000}), "`planes` must be"),
    "group size 33": (codes_file({"group_size": 33}), "`group_size` must be"),
    "group size 32.0": (codes_file({"group_size": 32.0}), "`group_size` must be .*=32.0"),
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
    "planes of int32": (codes_file(planes=np.zeros((3, 1), np.int32)), "must be uint32"),
    "padding bits": (
        codes_file(planes=np.array([[3], [8], [32]], np.uint32)), "padding bits .*plane 1"),
    "scales of too few rows": (codes_file(scales=np.ones((2, 1), np.float16)), "do not add up"),
    "scales of two groups": (codes_file(scales=np.ones((3, 2), np.float16)), "must be"),
    "scales of integers": (codes_file(scales=np.ones((3, 1), np.int16)), "floating dtype"),
    "scales past float32": (codes_file(scales=np.full((3, 1), 1e300)), "finite in float32"),
    "scales of float64 Inf": (codes_file(scales=np.full((3, 1), np.inf)), "must be finite"),
    "scales whose sum is past float32": (
        codes_file(scales=np.full((3, 1), 3e38, np.float32)), "sums in the range of float32"),
    "offset past float32": (
        codes_file({"offset": True}, offset=np.full((2, 1), -1e39)), "`offset` .* in float32"),
    "offset of NaN": (
        codes_file({"offset": True}, offset=np.full((2, 1), np.nan)), "`offset` must be finite"),
    "scales of NaN": (codes_file(scales=np.full((3, 1), np.nan, np.float16)), "must be finite"),
    "offset of another shape": (
        codes_file({"offset": True}, offset=np.ones((3, 1), np.float16)), "`offset` must be"),
    "row order with a repetition": (
        codes_file({"row_order": True}, row_order=np.array([0, 0])), "must be a permutation"),
    "compact row order of another size": (
        codes_file({"row_order": "compact"}, row_order=np.zeros(2, np.uint8)),
        "`row_bits` must be"),
    "compact row order of other planes": (
        codes_file({"row_order": "compact"}, row_order=np.zeros(1, np.uint8)),
        "`row_bits` must be"),
    "compact offset": (
        codes_file({"offset": "compact"}, offset=np.ones((2, 1))),
        "`offset` must have no other"),
    "row order of another form": (codes_file({"row_order": 1}), "breaks the format"),
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
