"""`on_error="skip"`: wrong lines are left out, counted and named; and blank lines at the end."""

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors
from tests.embeddings.vector_files.conftest import (
    GLOVE,
    NUMBERS,
    WORDS,
    assert_same,
    binary,
    write_array,
)

WRONG = [
    (b"in 1 2 3\n", "the word must have 4 numbers. Received: 3"),
    (b"in 1 2 x 4\n", "'x' is no number"),
    (b"in 1 nan 3 4\n", "number 2 is NaN"),
    (b"in 1 2 3 1e39\n", "number 4 is Inf in float32"),
    (b"caf\xe9 1 2 3 4\n", r"the word b'caf\xe9' is no UTF-8 (unexpected end of data)"),
    (b" 1 2 3 4\n", "the word is missing"),
    (b"\n", "the word must have 4 numbers. Received: 0"),
    (b"a\t1\t2\t3\n", "the word must have 4 numbers. Received: 3"),
]


def skipping(path, message, **options) -> WordVectors:
    """What is read, with one warning, which is the message."""
    with pytest.warns(UserWarning, match="left out") as warned:
        vectors = read_vectors(path, on_error="skip", **options)
    assert [str(w.message) for w in warned] == [f"'{path}': {message}"]
    return vectors


@pytest.mark.parametrize(("line", "reason"), WRONG, ids=lambda value: repr(value))
@pytest.mark.parametrize("header", [b"", b"4 4\n"])
def test_a_wrong_line_is_left_out_and_named(tmp_path, line, reason, header):
    path = tmp_path / "a.txt"
    first, rest = GLOVE.split(b"\n", 1)
    path.write_bytes(header + first + b"\n" + line + rest)
    with pytest.raises(VectorFileError):
        read_vectors(path)
    number = 3 if header else 2
    vectors = skipping(path, f"1 wrong line left out: line {number}: {reason}")
    assert_same(vectors, WordVectors(WORDS, NUMBERS))


def test_many_wrong_lines_are_counted_and_the_first_are_named(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((30_000, 3)).astype(np.float32)
    lines = [b"w%d %r %r %r\n" % (i, *map(float, row)) for i, row in enumerate(values)]
    wrong = sorted(rng.choice(np.arange(10, 30_000), 500, replace=False))
    for kind, i in enumerate(wrong):
        lines[i] = [b"w 1 2\n", b"w 1 2 nan\n", b"w 1 z 3\n", b"\xff 1 2 3\n"][kind % 4]
    (tmp_path / "a.txt").write_bytes(b"".join(lines))
    a, b, c = (int(i) + 1 for i in wrong[:3])
    vectors = skipping(tmp_path / "a.txt", (
        f"500 wrong lines left out: line {a}: the word must have 3 numbers. Received: 2; "
        f"line {b}: number 3 is NaN; line {c}: 'z' is no number; and 497 more"
    ))  # fmt: skip
    right = np.setdiff1d(np.arange(30_000), wrong)
    assert vectors.words == tuple(f"w{i}" for i in right)
    np.testing.assert_array_equal(vectors.matrix, values[right])


def test_the_limit_counts_the_words_that_are_right(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"".join(line for line, _ in WRONG[:3]) + GLOVE)
    options = {"limit": 2, "format": "glove"}
    with pytest.warns(UserWarning, match="3 wrong lines left out: line 1: "):
        vectors = read_vectors(tmp_path / "a.txt", on_error="skip", **options)
    assert vectors.words == WORDS[:2]


def test_a_last_line_that_is_cut_is_left_out(tmp_path):
    (tmp_path / "a.txt").write_bytes(GLOVE + b"in 1 2")
    reason = "line 4: the word must have 4 numbers. Received: 2"
    assert skipping(tmp_path / "a.txt", f"1 wrong line left out: {reason}").words == WORDS


def test_wrong_words_of_binary_files_are_left_out(tmp_path):
    data = binary(b"4 4\n")
    nan = np.array([1, 2, np.nan, 4], "<f4").tobytes()
    (tmp_path / "a.bin").write_bytes(data + b"in " + nan + b"\n")
    vectors = skipping(tmp_path / "a.bin", "1 wrong word left out: word 4: number 3 is NaN")
    assert_same(vectors, WordVectors(WORDS, NUMBERS))


def test_wrong_rows_of_arrays_are_left_out(tmp_path):
    matrix = np.insert(NUMBERS, 1, np.inf, axis=0)
    path = write_array(tmp_path, matrix, b"the\nin\n,\nof\n")
    with pytest.warns(UserWarning, match="1 wrong line left out: line 2: number 1 is Inf"):
        vectors = read_vectors(path, on_error="skip")
    assert_same(vectors, WordVectors(WORDS, NUMBERS))


def test_a_file_of_nothing_but_wrong_lines_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"just some prose\nof two lines\n")
    with pytest.raises(VectorFileError, match="the file has no vectors"):
        read_vectors(tmp_path / "a.txt", on_error="skip")


def test_there_is_no_third_way(read):
    with pytest.raises(ValueError, match=r"`on_error` must be one of .* on_error='ignore'"):
        read(GLOVE, on_error="ignore")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n  \n", b"  "], ids=repr)
@pytest.mark.parametrize("header", [b"", b"3 4\n"])
def test_blank_lines_at_the_end_are_no_words(read, end, header):
    assert_same(read(header + GLOVE + end), WordVectors(WORDS, NUMBERS))


def test_blank_lines_at_the_end_of_the_words_of_an_array(tmp_path):
    path = write_array(tmp_path, NUMBERS, b"the\n,\nof\n\n\n")
    assert_same(read_vectors(path), WordVectors(WORDS, NUMBERS))
    path = write_array(tmp_path, NUMBERS, b"the\n,\nof\n\nin\n")
    with pytest.raises(VectorFileError, match="more words than"):
        read_vectors(path)
