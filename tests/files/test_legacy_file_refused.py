"""What `read_legacy` refuses: code, damage, forged and endless pickles."""

import collections
import os
import struct
import tracemalloc

import numpy as np
import pytest

from bcq_tf import FileFormatError, read, read_legacy
from tests.files import golden_files
from tests.files.legacy_files import header, quantize, random_weight, write


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class SubArray(np.ndarray):
    pass


@pytest.mark.parametrize(("value", "name"), [
    (Calls(os.system, "touch MARK"), r"posix\.system|nt\.system"),
    (Calls(eval, "open('MARK', 'w')"), r"builtins\.eval"),
    (Calls(getattr, np.ones(1), "tofile"), r"builtins\.getattr"),
    (Calls(np.load, "MARK"), r"numpy\.load"),
    (Calls(np.save, "MARK", 1), r"numpy\.save"),
    (np.ones(1).tofile, r"builtins\.getattr"),
    (np.dtype, None),
    (collections.OrderedDict(a=1), r"collections\.OrderedDict"),
    (np.ones(2).view(SubArray), r"tests\.files\.test_legacy_file_refused\.SubArray"),
    ({1, 2}, r"builtins\.set|it holds a set, which is refused"),
    (3.5, "of type float where a weight should be"),
    (None, "of type NoneType where"),
    ("x" * 1000, "of type str where"),
    ({(1, 2): np.ones(1)}, "a key of type tuple"),
    (np.array(["x"]), "dtype 'U1'"),
    (np.zeros(1, [("a", "f4")]), "has the dtype 'V4'"),
    (np.ones(1, complex), "dtype 'c16'"),
    ([[[[[[np.ones(1)]]]]]], "of type list where a weight should be"),
])  # fmt: skip
def test_anything_but_arrays_is_refused_by_name(tmp_path, monkeypatch, value, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.npy", {"layer": [value]})
    with pytest.raises(FileFormatError, match=name or "should be") as caught:
        read_legacy("a.npy")
    assert str(caught.value).startswith("'a.npy' is not a transformer_bcq file: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert os.listdir() == ["a.npy"]


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
EMPTY = RECONSTRUCT + b"(cnumpy\nndarray\n(K\x00tC\x01btR"  # an array before its state
F4 = b"cnumpy\ndtype\n(U\x02f4I00\nI01\ntR"


def array_pickle(shape, data, dtype=F4):
    """Pickle operations of an array of any shape and data."""
    sizes = b"".join(b"L%dL\n" % n for n in shape)
    return EMPTY + b"(K\x01(" + sizes + b"t" + dtype + b"I00\n" + data + b"tb"


ZEROS = b"C\x0c" + bytes(12)
F8 = F4.replace(b"f4", b"f8")
U1 = F4.replace(b"f4", b"u1")
# A tuple that holds another one twice, and so on: of 460 bytes, and 2^100 parts.
SHARED = b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(100))
BITS = array_pickle([2, 1, 1], b"C\x02\xa0\x60", U1)


def alphas_pickle(*scales):
    return array_pickle([2, 1], b"C\x10" + struct.pack("<2d", *scales), F8)


def weight_pickle(**changes):
    """Pickle operations of a quantized weight [2, 3] of one bit."""
    fields = {
        "num_bits": b"K\x01", "transpose": b"\x89", "w_orig_shape": b"K\x02K\x03\x86",
        "w_2d_shape": b"K\x02K\x03\x86", "bits": BITS,
        "alphas": alphas_pickle(1, 2),
    } | changes  # fmt: skip
    parts = (b"U" + bytes([len(name)]) + name.encode() + value for name, value in fields.items())
    return b"}(" + b"".join(parts) + b"u"


def test_a_handmade_weight_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(header() + weight_pickle() + b".")
    (weight,) = read_legacy(tmp_path / "a.npy").values()
    np.testing.assert_array_equal(weight.reconstruct(), [[1, -1, 1], [-2, 2, 2]])


def test_the_handmade_pickle_is_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(header() + array_pickle([3], ZEROS) + b".")
    np.testing.assert_array_equal(read_legacy(tmp_path / "a.npy")[""], np.zeros(3, np.float32))


@pytest.mark.parametrize(("data", "message"), [
    (b"", "does not begin with the .npy header of pickled objects"),
    (b"hello", "does not begin with the .npy header of pickled objects"),
    (header(), "pickle is damaged: EOFError"),
    (header() + b".", "pickle is damaged"),
    (header() + b"N." + b"x", "bytes after its end"),
    (header() + b"\x8e" + (2**50).to_bytes(8, "little") + b"x.", "pickle is damaged"),
    (header() + b"\x96" + (2**28).to_bytes(8, "little") + b"x.", "a bytearray, which is"),
    (header() + b"\x95" + (2**50).to_bytes(8, "little") + b"N.", "of type NoneType"),
    (header() + b"Nr" + (2**32 - 1).to_bytes(4, "little") + b".", "of type NoneType where"),
    (header() + b"L" + b"9" * 100_000 + b"L\n.", "pickle is damaged|of type int where"),
    (header() + b"]" * 100_000 + b"a" * 99_999 + b".", "of type list where a weight should be"),
    (header() + b")" + b"\x85" * 50_000 + b".", "of type tuple where a weight should be"),
    (header() + EMPTY + b".", "unfinished"),
    (header() + EMPTY + b"Nb.", "pickle is damaged"),
    (header() + RECONSTRUCT + b"}(X\x01\x00\x00\x00aK\x01ub.", "pickle is damaged"),
    (header() + RECONSTRUCT + b".", "of type type where a weight should be"),
    (header() + b"\x82\x01.", "pickle is damaged"),
    (header() + b"Px\n.", "pickle is damaged: UnpicklingError"),
    (header() + array_pickle([2**40], ZEROS) + b".", "does not fill its shape"),
    (header() + array_pickle([-3], ZEROS) + b".", "no valid shape"),
    (header() + array_pickle([0, 2**62, 2**62], b"C\x00") + b".", "cannot be of shape"),
    (header() + array_pickle([0] + [1] * 100, b"C\x00") + b".", "no valid shape"),
    (header() + array_pickle([3], b"N") + b".", "does not fill its shape"),
    (header() + array_pickle([3], ZEROS, b"N") + b".", "no valid shape and dtype"),
    (header() + array_pickle([3], ZEROS, F4 + b"(K\x03U\x01xtb") + b".", "byte order 'x'"),
    (header() + array_pickle([2], b"](NNe", F4.replace(b"f4", b"O8"))[:-2] + b"tb.", "NoneType"),
    (header() + array_pickle([2], b"]", F4.replace(b"f4", b"O8")) + b".", "does not fill"),
    (header() + b"cnumpy\ndtype\n)\x81.", "it holds an object, which is refused"),
    (header() + b"]q\x00h\x00a.", "one container in two places"),
    (header() + b"]q\x00]q\x01(h\x00h\x00e.", "one container in two places"),
    (header() + b"}(U\x03a/0K\x01U\x01a](K\x01eu.", "of type int where"),
    (header() + b"N0" * 200_000 + b"N.", "more than 262144 operations"),
    (header() + b"}L" + b"9" * 4000 + b"L\nNs.", "the key <int>, which is too long"),
    (header() + b"}X" + (2000).to_bytes(4, "little") + b"x" * 2000 + b"Ns.", "which is too long"),
    (header() + RECONSTRUCT + b"(" + b"N" * 9 + b"tR.", "a call that makes no array"),
    (header() + RECONSTRUCT + b"](NeR.", "a call that makes no array"),
    (header() + b"cnumpy\ndtype\n(" + SHARED + b"tR.", "has the dtype"),
    (header() + F4 + b"(K\x03" + SHARED + b"tb.", "has the byte order"),
    (header() + b"}" + SHARED + b"Ns.", "a key of type tuple"),
    (header() + b"}(" + SHARED + b"Nu.", "a key of type tuple"),
    (header() + b"(" + SHARED + b"Nd.", "a key of type tuple"),
    (header() + b"(" + SHARED + b"\x91.", "it holds a set"),
    (header() + b"\x8f(" + SHARED + b"\x90.", "it holds a set"),
    (header() + array_pickle([3], SHARED) + b".", "does not fill its shape"),
    (header() + EMPTY + b"(K\x01" + SHARED + F4 + b"I00\n" + ZEROS + b"tb.", "no valid shape"),
    (header() + SHARED + b".", "one container in two places|should be"),
    (header() + weight_pickle(num_bits=SHARED) + b".", "`bits` must be an integer"),
    (header() + weight_pickle(w_2d_shape=SHARED) + b".", "`w_2d_shape` must be two sizes"),
    (header() + weight_pickle(w_orig_shape=SHARED) + b".", "is no matrix"),
    (header() + weight_pickle(bits=SHARED) + b".", "`bits` must be an array of numbers"),
    (header() + weight_pickle(alphas=SHARED) + b".", "`alphas` must be an array of numbers"),
    (header() + b"](" + BITS + b"q\x01h\x01e.", "one array in two places"),
    (header() + b"](" + weight_pickle(bits=BITS + b"q\x01") + weight_pickle(bits=b"h\x01") + b"e.",
     "one array in two places"),
    (header() + weight_pickle(alphas=alphas_pickle(1, 1e300)) + b".", "finite in float32"),
    (header() + weight_pickle(alphas=alphas_pickle(1, float("inf"))) + b".", "finite"),
])  # fmt: skip
def test_damaged_and_forged_pickles_are_refused(tmp_path, data, message):
    (tmp_path / "a.npy").write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError, match=message) as caught:
            read_legacy(tmp_path / "a.npy")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 1_000_000 + 300 * len(data)


def test_names_that_fall_together_are_refused(tmp_path):
    write(tmp_path / "a.npy", {"a/0": np.ones(1), "a": [np.ones(1)]})
    with pytest.raises(FileFormatError, match="it has two weights 'a/0'"):
        read_legacy(tmp_path / "a.npy")


@pytest.mark.parametrize(("changes", "message"), [
    ({"num_bits": 4}, "`bits` do not fit 4 bits"),
    ({"num_bits": 0}, "`bits` must be an integer from 1 to 8"),
    ({"num_bits": "3"}, "`bits` must be an integer"),
    ({"num_bits": ...}, "lacks 'num_bits'"),
    ({"alphas": ...}, "lacks 'alphas'"),
    ({"bits": None}, "`bits` must be an array of numbers"),
    ({"bits": np.ones((4, 1, 3))}, "`bits` do not fit"),
    ({"bits": np.ones((4, 2, 3), np.uint8)}, "`bits` do not fit"),
    ({"bits": np.array([None])}, "`bits` must be an array of numbers"),
    ({"alphas": np.ones(3)}, r"`alphas` must be \[4, 3\]"),
    ({"alphas": np.full((4, 3), np.nan)}, "must be finite"),
    ({"alphas": np.ones((4, 3), int)}, "floating dtype"),
    ({"w_2d_shape": [4]}, "weight 'layer/0'"),
    ({"w_2d_shape": 4}, "weight 'layer/0'"),
    ({"w_2d_shape": [4, "x\n" * 1000]}, "`w_2d_shape` must be two sizes"),
    ({"w_2d_shape": [4, 8.0]}, "`w_2d_shape` must be two sizes"),
    ({"w_2d_shape": [4, 8, 1]}, "`w_2d_shape` must be two sizes"),
    ({"w_2d_shape": [4, 7]}, "is no matrix"),
    ({"w_orig_shape": [8, 4]}, r"of shape \(8, 4\) is no matrix \[4, 8\]"),
    ({"w_orig_shape": []}, "is no matrix"),
    ({"w_orig_shape": None}, "weight 'layer/0'"),
    ({"w_orig_shape": [4, -8]}, "is no matrix"),
    ({"transpose": True}, "is no matrix"),
])  # fmt: skip
def test_weights_that_do_not_fit_together_are_refused(tmp_path, changes, message):
    fields = quantize(random_weight(2, 4, 8)) | changes
    fields = {key: value for key, value in fields.items() if value is not ...}
    write(tmp_path / "a.npy", {"layer": [fields]})
    with pytest.raises(FileFormatError, match=message) as caught:
        read_legacy(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


def test_damage_is_an_error_of_the_format_or_other_weights_never_a_crash(tmp_path):
    data = golden_files.TRANSFORMER_BCQ.read_bytes()
    path, refused = tmp_path / "a.npy", 0
    path.write_bytes(data)
    with open(path, "r+b", buffering=0) as file:
        for i, byte in enumerate(data):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << i % 8]), i)
            try:
                read_legacy(path)  # the old format has no checksums
            except FileFormatError:
                refused += 1
            os.pwrite(file.fileno(), bytes([byte]), i)
    assert refused > len(data) // 4


def test_truncations_are_found(tmp_path):
    data = golden_files.TRANSFORMER_BCQ.read_bytes()
    for size in [*range(0, len(data), 7), len(data) - 1]:
        (tmp_path / "a.npy").write_bytes(data[:size])
        with pytest.raises(FileFormatError):
            read_legacy(tmp_path / "a.npy")


def test_the_reader_of_the_new_format_points_here():
    with pytest.raises(FileFormatError, match=r"bcq_tf\.read_legacy"):
        read(golden_files.TRANSFORMER_BCQ)


def test_a_new_file_is_no_legacy_file():
    with pytest.raises(FileFormatError, match="does not begin with the .npy header of pickled"):
        read_legacy(golden_files.CODES_V1)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        read_legacy(tmp_path / "none.bcq.npy")
