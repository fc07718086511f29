"""`.codes` and `.codebook.npy`: both public layouts, there and back, and damaged files."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings.compositional import code_files
from bcq_tf.embeddings.compositional.code_files import read_codes, write_codes
from bcq_tf.files.file import FileFormatError

WORDS = ["of", "naïve", "two words", "3"]


def codes_of(rows=4, M=3, K=5, D=2, dtype=np.float32) -> CompositionalCodes:
    rng = np.random.default_rng(rows + 10 * M)
    codebooks = rng.standard_normal((M, K, D)).astype(dtype)
    return CompositionalCodes.of(rng.integers(0, K, (rows, M)), codebooks)


def written(tmp_path, text=b"0 1\n2 0\n", codebook=None) -> str:
    """Files as another program writes them; returns the prefix."""
    prefix = str(tmp_path / "model")
    codebook = np.arange(12, dtype=np.float32).reshape(6, 2) if codebook is None else codebook
    np.save(prefix + ".codebook.npy", codebook)
    with open(prefix + ".codes", "wb") as file:
        file.write(text)
    return prefix


@pytest.mark.parametrize("words", [None, WORDS])
@pytest.mark.parametrize("sizes", [{}, {"M": 1}, {"K": 16, "M": 8}, {"K": 300}])
def test_what_is_written_is_read(tmp_path, sizes, words):
    codes = codes_of(**sizes)
    paths = write_codes(tmp_path / "model", codes, words)
    assert sorted(os.listdir(tmp_path)) == ["model.codebook.npy", "model.codes"]
    assert paths == (str(tmp_path / "model.codes"), str(tmp_path / "model.codebook.npy"))
    read, read_words = read_codes(tmp_path / "model")
    assert read_words == words
    np.testing.assert_array_equal(read.indexes(), codes.indexes())
    np.testing.assert_array_equal(read.codebooks, codes.codebooks)


def test_the_files_are_what_public_programs_write(tmp_path):
    codes = CompositionalCodes.of([[15, 0], [3, 10]], np.ones((2, 16, 4), np.float32))
    text, codebook = write_codes(tmp_path / "plain", codes)
    assert Path(text).read_bytes() == b"15 0\n3 10\n"
    array = np.load(codebook)
    assert array.shape == (32, 4)
    assert array.dtype == np.float32
    text, _ = write_codes(tmp_path / "words", codes, ["a", "ü"])
    assert Path(text).read_bytes() == "a\t15 0\nü\t3 10\n".encode()


def test_row_k_of_codebook_m_is_row_m_k_of_the_file(tmp_path):
    codes, words = read_codes(written(tmp_path))
    assert words is None
    assert codes.codebooks.shape == (2, 3, 2)
    np.testing.assert_array_equal(codes.reconstruct(), [[0 + 8, 1 + 9], [4 + 6, 5 + 7]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_codebooks_of_rank_3_and_other_float_dtypes(tmp_path, dtype):
    array = np.arange(12, dtype=dtype).reshape(2, 3, 2)
    codes, _ = read_codes(written(tmp_path, codebook=array))
    np.testing.assert_array_equal(codes.codebooks, array)
    assert codes.codebooks.dtype == (np.float16 if dtype == np.float16 else np.float32)


def test_half_precision_codebooks_are_written_as_single(tmp_path):
    codes = codes_of(dtype=np.float16)
    write_codes(tmp_path / "model", codes)
    read, _ = read_codes(tmp_path / "model")
    assert read.codebooks.dtype == np.float32
    np.testing.assert_array_equal(read.reconstruct(), codes.reconstruct())


def test_windows_line_ends(tmp_path):
    codes, _ = read_codes(written(tmp_path, b"0 1\r\n2 0\r\n"))
    np.testing.assert_array_equal(codes.indexes(), [[0, 1], [2, 0]])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "model.codes' is empty"),
        (b"0 1\n2 0", "line 2: the file ends in the middle of it"),
        (b"0 1\n\n2 0\n", "line 2: must be indexes"),
        (b"0 1\n2 x\n", "line 2: must be indexes .* Received: '2 x"),
        (b"0 1\n2 -1\n", "line 2: must be indexes"),
        (b"0 1\n2  0\n", "line 2: must be indexes"),
        (b"0 1\n2 9999999999\n", "line 2: must be indexes"),
        (b"0 1\n2\n", "line 2: must have 2 indexes as those before. Received: 1"),
        (b"0 1\n2 3\n", "line 2: an index must be below 3. Received: 3"),
        (b"a\t0 1\n2 0\n", "line 2: has no word, unlike those before"),
        (b"0 1\nb\t2 0\n", "line 2: has a word, unlike those before"),
        (b"a\t0 1\n\xff\t2 0\n", "line 2: the word is not UTF-8"),
        (b"0 " * 70_000 + b"0\n", "line 1: it is longer than 131072 bytes"),
        (b"0 1 2 0\n", r"must be \[M K, D\] with M=4.* Received: \[6, 2\]"),
    ],
)
def test_damaged_codes(tmp_path, text, error):
    with pytest.raises(FileFormatError, match=error):
        read_codes(written(tmp_path, text))


@pytest.mark.parametrize("line", [b"0\n", b"a\t0\n"])
def test_many_lines_take_a_small_multiple_of_their_bytes(tmp_path, line):
    text = line * 50_000
    prefix = written(tmp_path, text)
    tracemalloc.start()
    try:
        codes, _ = read_codes(prefix)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert codes.shape == (50_000, 2)
    assert peak < 1_500_000 + 15 * len(text)


@pytest.mark.parametrize(
    ("codebook", "error"),
    [
        (np.ones((5, 2), np.float32), r"must be \[M K, D\] with M=2"),
        (np.ones((3, 2, 2), np.float32), r"must be \[M K, D\] with M=2"),
        (np.ones(6, np.float32), r"must be \[M K, D\] with M=2"),
        (np.ones((6, 2), np.int32), "must hold a float array. Received: int32"),
        (np.full((6, 2), np.nan, np.float32), "`codebooks` must be finite"),
        (np.full((6, 2), 1e300), "`codebooks` must be finite"),
        (np.ones((6, 0), np.float32), r"`codebooks` must be \[M, K, D\]"),
        (np.array([{}], object), "is no whole .npy file of an array"),
    ],
)
def test_codebooks_that_do_not_fit(tmp_path, codebook, error):
    with pytest.raises(FileFormatError, match=error):
        read_codes(written(tmp_path, codebook=codebook))


def test_a_codebook_that_is_cut_off_or_missing(tmp_path):
    prefix = written(tmp_path)
    path = prefix + ".codebook.npy"
    os.truncate(path, os.path.getsize(path) - 4)
    with pytest.raises(FileFormatError, match="is no whole .npy file of an array"):
        read_codes(prefix)
    os.remove(path)
    with pytest.raises(FileNotFoundError):
        read_codes(prefix)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (WORDS[:3], "`words` must be 4, one for each row. Received: 3"),
        ([*WORDS[:3], "a\tb"], "`words` must have no tab .* Received: 'a\\\\tb'"),
        ([*WORDS[:3], "a\nb"], "no end of a line"),
        ([*WORDS[:3], "\ud800"], "`words` must be text that UTF-8 can hold. Received"),
        (range(4), "`words` must be strings. Received: 0"),
        (4, "`words` must be strings. Received: int"),
    ],
)
def test_words_that_cannot_be_written_leave_the_old_files(tmp_path, words, error):
    prefix = written(tmp_path)
    with pytest.raises((ValueError, TypeError), match=error):
        write_codes(prefix, codes_of(), words)
    assert_unchanged(prefix)


def assert_unchanged(prefix: str) -> None:
    """The files of `written` are there, and no others."""
    codes, _ = read_codes(prefix)
    np.testing.assert_array_equal(codes.indexes(), [[0, 1], [2, 0]])
    np.testing.assert_array_equal(codes.codebooks.ravel(), np.arange(12))
    assert sorted(os.listdir(os.path.dirname(prefix))) == ["model.codebook.npy", "model.codes"]


@pytest.mark.parametrize("broken", ["indexes", "codebooks"])
def test_an_interrupt_leaves_the_old_files(tmp_path, monkeypatch, broken):
    prefix = written(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    if broken == "indexes":
        monkeypatch.setattr(code_files, "_chunks", stop)
    else:
        monkeypatch.setattr(np, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        write_codes(prefix, codes_of())
    assert_unchanged(prefix)


def test_a_folder_in_the_place_of_one_file_leaves_the_other(tmp_path):
    prefix = written(tmp_path)
    os.remove(prefix + ".codes")
    os.mkdir(prefix + ".codes")
    with pytest.raises(IsADirectoryError, match="model.codes"):
        write_codes(prefix, codes_of())
    assert np.load(prefix + ".codebook.npy").shape == (6, 2)


def test_words_may_be_any_iterable(tmp_path):
    write_codes(tmp_path / "model", codes_of(), (word for word in WORDS))
    assert read_codes(tmp_path / "model")[1] == WORDS


def test_the_prefix_must_be_a_path():
    for call in (lambda: read_codes(None), lambda: write_codes(None, codes_of())):
        with pytest.raises(TypeError, match="`prefix` must be a path. Received: NoneType"):
            call()


def test_only_compositional_codes_are_written(tmp_path):
    with pytest.raises(TypeError, match="`codes` must be a CompositionalCodes. Received: list"):
        write_codes(tmp_path / "model", [1, 2])
