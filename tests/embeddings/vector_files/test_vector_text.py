"""Text as various tools write it is read, and what is damaged is named with its line."""

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors
from tests.embeddings.vector_files.conftest import GLOVE, NUMBERS, WORDS, assert_same


@pytest.mark.parametrize(
    "data",
    [
        GLOVE,
        b"3 4\n" + GLOVE,  # word2vec's and fastText's header
        GLOVE.replace(b"\n", b" \n"),  # both of these write a blank at the end
        GLOVE.replace(b"\n", b"\r\n"),
        GLOVE.replace(b"the ", b"the\t").replace(b" ", b"\t"),
        GLOVE.replace(b" ", b"  "),
        b"\xef\xbb\xbf" + GLOVE,  # as editors on Windows save it
        b"\xef\xbb\xbf3 4\n" + GLOVE,
        GLOVE.replace(b"0.418", b"4.18e-1").replace(b"-0.41242", b"-.41242"),
    ],
    ids=[
        "glove",
        "header",
        "trailing",
        "crlf",
        "tabs",
        "blanks",
        "mark",
        "mark and header",
        "exponent",
    ],
)
def test_text_as_various_tools_write_it(read, data):
    assert_same(read(data), WordVectors(WORDS, NUMBERS))


@pytest.mark.parametrize("word", [". . .", "at name@domain.com", "route 66", "3 5"])
@pytest.mark.parametrize("header", [b"", b"4 4\n"])
def test_words_with_blanks(read, word, header):
    data = header + GLOVE + word.encode() + b" 1 2 3 4\n"
    assert read(data).words == (*WORDS, word)
    assert read(data).vector(word).tolist() == [1, 2, 3, 4]


def test_two_integers_are_a_header_unless_all_lines_are_that_short(read):
    assert read(b"7 8\n2 5\n").words == ("7", "2")
    assert read(b"1 1\n2 5\n").words == ("2",)
    assert read(b"7 1\n2 5\n", format="glove").words == ("7", "2")


def test_of_words_that_come_twice_the_first_counts(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(GLOVE + b"the 1 2 3 4\nof 1 2 3 4\nin 5 6 7 8\n")
    with pytest.warns(UserWarning, match=r"a.txt': 2 vectors of words .* the first of 'the'"):
        found = read_vectors(path)
    numbers = np.vstack([NUMBERS, np.float32([[5, 6, 7, 8]])])
    assert_same(found, WordVectors([*WORDS, "in"], numbers))
    with pytest.warns(UserWarning, match="2 vectors"):
        assert len(read_vectors(path, limit=4)) == 4  # words, whatever came twice


def test_a_last_line_without_end_is_said_to_be_doubtful(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(GLOVE[:-1])
    with pytest.warns(UserWarning, match="line 3: the last line has no line end; its last number"):
        assert_same(read_vectors(path), WordVectors(WORDS, NUMBERS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: the file has no vectors"),
        (b"\n", "line 1: a word and its numbers must stand in a line"),
        (GLOVE + b"\n" + GLOVE, "line 4: the word must have 4 numbers. Received: 0"),
        (GLOVE + b"in 1 2 3\n", "line 4: the word must have 4 numbers. Received: 3"),
        (GLOVE + b"in 1.0 2 3 4 5\n", "line 4: the word must have 4 numbers. Received: 5"),
        (b"3 4\n" + GLOVE[:60], "line 3: the file ends in the middle of the line (3 of 4 numbers)"),
        (GLOVE[:60], "line 2: the file ends in the middle of the line (3 of 4 numbers)"),
        (b"4 4\n" + GLOVE, "line 5: the file has 3 words, its header says 4"),
        (b"2 4\n" + GLOVE, "line 5: the file has 3 words, its header says 2"),
        (b"3 5\n" + GLOVE, "line 2: the word must have 5 numbers. Received: 4"),
        (b"3 0\n" + GLOVE, "line 1: the header says that vectors have no numbers"),
        (GLOVE + b"in 1 2 x 4\n", "line 4: 'x' is no number"),
        (GLOVE + b"in 1 2 0,5 4\n", "line 4: '0,5' is no number"),
        (GLOVE + b"in 1 2 1.2.3 4\n", "line 4: '1.2.3' is no number"),
        (GLOVE + b"in 1 2 1_0 4\n", "line 4: '1_0' is no number"),
        (GLOVE + b"in 1 nan 3 4\n", "line 4: number 2 is NaN"),
        (GLOVE + b"in 1 2 -inf 4\n", "line 4: number 3 is Inf in float32"),
        (GLOVE + b"in 1 2 3 1e39\n", "line 4: number 4 is Inf in float32"),
        (GLOVE + b" 1 2 3 4\n", "line 4: the word is missing"),
        (GLOVE + b"caf\xe9 1 2 3 4\n", r"line 4: the word b'caf\xe9' is no UTF-8"),
        (b"just some prose\nof two lines\n", "line 1: 'some' is no number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_damaged_text_is_named_with_its_line(read, data, message, name):
    with pytest.raises(VectorFileError) as raised:
        read(data, name)
    assert f"{name}', {message}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_line_of_a_damage_far_into_a_file(read):
    lines = [b"word%d 0.25 -1.5 3.25\n" % i for i in range(100_000)]
    lines[76_543] = b"word 0.25 -1.5 3.2.5\n"
    with pytest.raises(VectorFileError, match="line 76544: '3.2.5' is no number"):
        read(b"".join(lines))


@pytest.mark.parametrize("more", [b"in 1 2 x\n", b"in 1", b"in 1 2 3 4"])
def test_what_is_beyond_the_limit_is_not_looked_at(read, more):
    assert len(read(GLOVE + more, limit=3)) == 3
