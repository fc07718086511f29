"""Files of word vectors: what is written comes back, and what is damaged is named with its line."""

import gzip
import re
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors, write_vectors
from bcq_tf.embeddings.vector_files.vector_file import FORMATS, output_paths

# Three lines of GloVe 6B 50d, cut to four numbers (Pennington et al. 2014, ODC PDDL 1.0).
GLOVE = b"the 0.418 0.24968 -0.41242 0.1217\n, 0.013441 0.23682 -0.16899 0.40951\nof 0.70853 0.57088 -0.4716 0.18048\n"  # noqa: E501
NUMBERS = np.array(
    [[0.418, 0.24968, -0.41242, 0.1217], [0.013441, 0.23682, -0.16899, 0.40951],
     [0.70853, 0.57088, -0.4716, 0.18048]], np.float32)  # fmt: skip
WORDS = ("the", ",", "of")

NAMES = {
    "glove": "a.txt",
    "glove gz": "a.txt.gz",
    "word2vec": "a.vec",
    "word2vec gz": "a.vec.gz",
    "word2vec-binary": "a.bin",
    "word2vec-binary gz": "a.bin.gz",
    "npy": "a.npy",
}


def some_vectors(count=40, dimension=7, seed=0) -> WordVectors:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, dimension)) * 10.0 ** rng.integers(-8, 8, (count, 1))
    words = ["ß", "日本", "route-66", "1.5", "\xa0", "a\x85b", "</s>"]
    words += [f"word{i}" for i in range(count - len(words))]
    return WordVectors(words, values.astype(np.float32))


def assert_same(found: WordVectors, wanted: WordVectors) -> None:
    assert found.words == wanted.words
    np.testing.assert_array_equal(found.matrix, wanted.matrix)


@pytest.fixture
def read(tmp_path):
    """read(bytes, name, **options) -> `read_vectors` of a file with these bytes."""

    def call(data: bytes, name="a.txt", **options):
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read_vectors(path, **options)

    return call


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("count", "dimension"), [(40, 7), (9, 1), (8, 300)])
def test_what_is_written_is_read(tmp_path, kind, count, dimension):
    vectors = some_vectors(count, dimension)
    format = kind.split()[0]
    path = tmp_path / NAMES[kind]
    write_vectors(path, vectors, format)
    assert_same(read_vectors(path), vectors)
    assert_same(read_vectors(path, format), vectors)
    assert_same(read_vectors(path, limit=8), WordVectors(vectors.words[:8], vectors.matrix[:8]))


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.txt", b"\xc3\x9f "), ("a.bin", b"40 7\n"), ("a.npy", b"\x93NUMPY"), ("a.gz", b"\x1f\x8b")],
)
def test_the_format_written_follows_the_name(tmp_path, name, start):
    write_vectors(tmp_path / name, some_vectors())
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("name", "options", "written"),
    [("a.txt", {}, ["a.txt"]), ("a.bin.gz", {}, ["a.bin.gz"]), ("a.npy", {}, ["a.npy", "a.vocab"]),
     ("a", {"format": "npy"}, ["a", "a.vocab"]), ("a.npy", {"words": "b"}, ["a.npy", "b"])],
)  # fmt: skip
def test_the_paths_written_are_known_before_and_returned(
    tmp_path, monkeypatch, name, options, written
):
    monkeypatch.chdir(tmp_path)
    assert output_paths(name, **options) == tuple(written)
    assert write_vectors(name, some_vectors(), **options) == tuple(written)
    assert sorted(path.name for path in tmp_path.iterdir()) == written


def test_words_of_a_matrix_are_gzipped_where_their_name_says_so(tmp_path):
    vectors, words = some_vectors(), tmp_path / "words.gz"
    write_vectors(tmp_path / "a.npy", vectors, words=words)
    assert gzip.decompress(words.read_bytes()).decode().split("\n")[6] == "</s>"
    assert_same(read_vectors(tmp_path / "a.npy", words=words), vectors)


def test_equal_vectors_give_equal_gzip_files(tmp_path):
    for name in ("a.txt.gz", "b.txt.gz"):
        write_vectors(tmp_path / name, some_vectors())
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()


def test_a_file_larger_than_the_blocks_it_is_read_in(tmp_path):
    vectors = some_vectors(3000, 150, seed=1)
    for name in ("a.txt", "a.bin", "a.npy"):
        write_vectors(tmp_path / name, vectors)
        assert_same(read_vectors(tmp_path / name), vectors)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.bin", "a.npy"])
def test_memory_peaks_little_above_the_vectors(tmp_path, name):
    rows, columns = 20_000, 250
    row = np.arange(columns, dtype=np.float32) / 8
    if name == "a.npy":
        words = b"".join(b"w%d\n" % i for i in range(rows))
        write_array(tmp_path, np.tile(row, (rows, 1)), words)
    else:
        numbers = row.tobytes() if name == "a.bin" else b" ".join(row.astype("S16").tolist())
        text = b"".join(b"w%d %b\n" % (i, numbers) for i in range(rows))
        text = b"%d %d\n" % (rows, columns) + text
        (tmp_path / name).write_bytes(gzip.compress(text, 1) if name.endswith(".gz") else text)
    tracemalloc.start()
    try:
        vectors = read_vectors(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(vectors.matrix, np.tile(row, (rows, 1)))
    assert peak < 1.5 * vectors.nbytes


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


def test_binary_without_line_ends_and_without_its_suffix(read):
    data = binary(end=b"")
    assert_same(read(data, format="word2vec-binary"), WordVectors(WORDS, NUMBERS))
    assert_same(read(data, "a.dat"), WordVectors(WORDS, NUMBERS))


@pytest.mark.parametrize("word", [". . .", "at name@domain.com", "route 66", "3 5"])
@pytest.mark.parametrize("header", [b"", b"4 4\n"])
def test_words_with_blanks(read, word, header):
    data = header + GLOVE + word.encode() + b" 1 2 3 4\n"
    assert read(data).words == (*WORDS, word)
    assert read(data).vector(word).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a.vec", "a.txt", "a.dat", "a.vec.gz", "a.dat.gz"])
@pytest.mark.parametrize("dimension", [1, 2, 300, 9000])
def test_text_with_a_header_and_control_characters_is_no_binary(tmp_path, name, dimension):
    vectors = WordVectors(["a\x01b", "\x00", "c"], some_vectors(9, dimension).matrix[:3])
    write_vectors(tmp_path / name, vectors, "word2vec")
    assert_same(read_vectors(tmp_path / name), vectors)


@pytest.mark.parametrize("name", ["a.vec", "a.txt.gz"])
def test_names_of_text_are_believed(read, name):
    with pytest.raises(VectorFileError, match=f"{name}', line 2: "):
        read(binary(), name)
    assert_same(read(binary(), name, format="word2vec-binary"), WordVectors(WORDS, NUMBERS))


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


def binary(header=b"3 4\n", end=b"\n") -> bytes:
    rows = zip(WORDS, NUMBERS, strict=True)
    return header + b"".join(word.encode() + b" " + row.tobytes() + end for word, row in rows)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the header: it must be two integers in a line"),
        (b"3 x\n", "the header: it must be two integers in a line"),
        (binary()[:-8], "word 3: the file ends before the last of 3 words is whole"),
        (binary(header=b"4 4\n"), "word 4: the file ends before the last of 4 words is whole"),
        (binary(header=b"2 4\n"), "word 3: the file goes on after the 2 words of its header"),
        (binary(header=b"9999999999 999999999\n"), "word 1: the file ends before"),
        (binary().replace(b"of", b"\xe9f"), r"word 3: the word b'\xe9f' is no UTF-8"),
        (binary().replace(NUMBERS[1, 2].tobytes(), np.float32("nan").tobytes()),
         "word 2: number 3 is NaN"),
        (b"1 1\n" + b"x" * 100_000, "word 1: the word is longer than 65536 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_damaged_binary_is_named_with_its_word(read, data, message):
    with pytest.raises(VectorFileError) as raised:
        read(data, "a.bin")
    assert f"a.bin', {message}" in str(raised.value)


def test_the_lines_before_the_end_of_cut_gzip_data_are_counted(tmp_path):
    text = b"".join(b"word%d %f %f\n" % (i, *row) for i, row in enumerate(
        np.random.default_rng(0).random((10_000, 2))))  # fmt: skip
    packed = gzip.compress(text)
    (tmp_path / "a.txt.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(VectorFileError) as raised:
        read_vectors(tmp_path / "a.txt.gz")
    line = int(re.search(r"line (\d+): the gzip data ends in the middle", str(raised.value))[1])
    assert 4000 < line < 6000


@pytest.mark.parametrize("cut", [5, 15, 60])
def test_gzip_data_that_is_cut_or_damaged(tmp_path, cut):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(GLOVE)[:-cut])
    with pytest.raises(VectorFileError, match=r"a.txt.gz', line [1-4]: the gzip data ends in"):
        read_vectors(path)
    path.write_bytes(GLOVE)
    with pytest.raises(VectorFileError, match="the gzip data is damaged"):
        read_vectors(path)


def write_array(folder, matrix, words: bytes) -> Path:
    np.save(folder / "a.npy", matrix)
    (folder / "a.vocab").write_bytes(words)
    return folder / "a.npy"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_a_matrix_of_any_floats(tmp_path, dtype):
    path = write_array(tmp_path, NUMBERS.astype(dtype), b"the\r\n,\r\nof\r\n")
    wanted = WordVectors(WORDS, NUMBERS.astype(dtype).astype(np.float32))
    assert_same(read_vectors(path), wanted)
    (tmp_path / "a.vocab").rename(tmp_path / "words.txt")
    assert_same(read_vectors(path, words=tmp_path / "words.txt"), wanted)


@pytest.mark.parametrize(
    ("matrix", "words", "message"),
    [
        (NUMBERS, b"the\n,\n", "a.vocab', line 3: the file has fewer words than 'a.npy' has rows"),
        (NUMBERS, b"a\nb\nc\nd\n", "a.vocab', line 4: the file has more words than 'a.npy' has"),
        (NUMBERS, b"the\n\nof\n", "a.vocab', line 2: the word is missing"),
        (NUMBERS, b"the\n,\n\xff\n", "a.vocab', line 3: the word"),
        (NUMBERS[0], b"the\n", "a.npy' must be floats [words, D]. Received: float32 [4]"),
        (NUMBERS.astype(int), b"the\n,\nof\n", "a.npy' must be floats [words, D]. Received: int64"),
        (np.float32([[1], [np.nan]]), b"a\nb\n", "a.vocab', line 2: number 1 is NaN"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_matrix_and_words_that_do_not_fit(tmp_path, matrix, words, message):
    path = write_array(tmp_path, matrix, words)
    with pytest.raises(VectorFileError) as raised:
        read_vectors(path)
    assert message in str(raised.value)


def test_words_of_a_matrix_after_a_byte_order_mark(tmp_path):
    path = write_array(tmp_path, NUMBERS, b"\xef\xbb\xbfthe\n,\nof\n")
    assert read_vectors(path).words == WORDS


@pytest.mark.filterwarnings("error")
def test_numbers_of_a_matrix_beyond_float32(tmp_path):
    path = write_array(tmp_path, NUMBERS.astype(np.float64) * 1e39, b"the\n,\nof\n")
    with pytest.raises(VectorFileError, match="line 1: number 1 is Inf in float32"):
        read_vectors(path)


def test_a_matrix_that_is_no_npy_file(tmp_path):
    (tmp_path / "a.npy").write_bytes(GLOVE)
    with pytest.raises(VectorFileError, match=r"a.npy' is no whole .npy file of an array"):
        read_vectors(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.bin", "a.npy"])
def test_a_file_that_is_missing(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="No such folder"):
        write_vectors(tmp_path / "folder" / name, some_vectors())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pickle"}, "`format` must be None or one of .* Received: 'pickle'"),
        ({"limit": 0}, "`limit` must be None or a positive integer. Received: 0"),
        ({"words": "b"}, "`words` must be None but for a .npy matrix. Received: 'b'"),
        ({"name": "a.npy.gz"}, r"`path` must not end with .gz for a .npy matrix. Received: '.*gz'"),
        ({"format": "word2vec"}, "line 1: the header of two integers"),
    ],
)
def test_arguments_that_break_their_rules(read, options, message):
    with pytest.raises(ValueError, match=message):
        read(GLOVE, **options)


def test_paths_must_be_paths():
    for call in (lambda: read_vectors(None), lambda: write_vectors(None, some_vectors())):
        with pytest.raises(TypeError, match="`path` must be a path. Received: NoneType"):
            call()
    with pytest.raises(TypeError, match="`words` must be a path. Received: int"):
        read_vectors("a.npy", words=3)


@pytest.mark.parametrize(
    ("name", "vectors", "words", "error", "message"),
    [
        ("a.txt", NUMBERS, None, TypeError,
         "`vectors` must be WordVectors or CompressedVectors. Received: ndarray"),
        ("a.npy.gz", some_vectors(), None, ValueError, "`path` must not end with .gz for a .npy"),
        ("a.npy", some_vectors(), "a.npy", ValueError,
         "`words` must be another file than `path`. Received: 'a.npy'"),
        ("a.npy", some_vectors(), "../here/a.npy", ValueError, "`words` must be another file than"),
    ],
)  # fmt: skip
def test_what_is_not_written(tmp_path, monkeypatch, name, vectors, words, error, message):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / name).write_bytes(b"precious")
    with pytest.raises(error, match=message):
        write_vectors(name, vectors, words=words)
    assert (folder / name).read_bytes() == b"precious"
    assert [path.name for path in folder.iterdir()] == [name]


FEW = "`vectors` must have few words with blanks among the first for `format` 'glove'; 'word2vec' "


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("a.txt", ["a\nb"], "`vectors` must have words without line ends"),
        ("a.txt", [" a"], "`vectors` must have words without line ends"),
        ("a.txt", ["a "], "`vectors` must have words without line ends"),
        ("a.txt", ["version 2.0"], "a fraction as the last. Received: 'version 2.0'"),
        ("a.txt", ["route 66", "highway 61"], FEW + "takes them. Received: 'route 66'"),
        ("a.txt.gz", ["a", "new york", "los angeles"], FEW + "takes them. Received: 'new york'"),
        ("a.txt", ["a 0"], FEW),
        ("a.txt", ["a\t-1"], FEW),
        (
            "a.txt",
            ["\ufeffa", "b"],
            r"must have no U\+FEFF before the first word for `format` 'glove'",
        ),
        (
            "a.npy",
            ["\ufeffa", "b"],
            r"must have no U\+FEFF before the first word for `format` 'npy'",
        ),
        ("a.bin", ["a b"], "`vectors` must have words without blanks"),
        ("a.bin", ["\na"], "`vectors` must have words without blanks"),
        ("a.npy", ["a\nb"], "`vectors` must have words without line ends"),
    ],
)
def test_words_that_would_not_be_read_back_are_refused(tmp_path, name, words, message):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(ValueError, match=message):
        write_vectors(tmp_path / name, WordVectors(words, NUMBERS[: len(words)]))
    assert (tmp_path / name).read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("words", [["route 66", "highway 61"], ["a 0"], ["\ufeffa", "b"]])
def test_a_header_makes_such_words_readable(tmp_path, words):
    vectors = WordVectors(words, NUMBERS[: len(words)])
    write_vectors(tmp_path / "a.vec", vectors, "word2vec")
    assert_same(read_vectors(tmp_path / "a.vec"), vectors)


def test_words_with_blanks_may_be_many_after_the_first_lines(tmp_path):
    words = [f"w{i}" for i in range(10_000)] + [f"new york {i}" for i in range(30_000)]
    vectors = WordVectors(words, np.ones((40_000, 30), np.float32))
    write_vectors(tmp_path / "a.txt", vectors)
    assert_same(read_vectors(tmp_path / "a.txt"), vectors)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("format", FORMATS)
def test_odd_words_are_read_back_or_refused(tmp_path, format, seed):
    rng = np.random.default_rng(seed)
    characters = list("ab01.-+eE_ \t\r\n\v\x01\x1c\x85\xa0\u2028\ufeffé日")
    written = 0
    for _ in range(100):
        words = {
            "".join(rng.choice(characters, rng.integers(1, 6))) for _ in range(rng.integers(1, 8))
        }
        matrix = rng.standard_normal((len(words), rng.integers(1, 5)))
        vectors = WordVectors(sorted(words), matrix.astype(np.float32))
        path = tmp_path / ("a" + {"word2vec-binary": ".bin", "npy": ".npy"}.get(format, ""))
        try:
            write_vectors(path, vectors, format)
        except ValueError:
            continue
        written += 1
        assert_same(read_vectors(path), vectors)
    assert written > 10


class Interrupted(WordVectors):
    """Vectors of which the reading is stopped."""

    def rows(self, ids):
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["a.txt", "a.bin.gz", "a.npy"])
def test_an_interrupt_leaves_the_old_files(tmp_path, name):
    old = some_vectors()
    paths = write_vectors(tmp_path / name, old)
    with pytest.raises(KeyboardInterrupt):
        write_vectors(tmp_path / name, Interrupted(["c", "d"], NUMBERS[:2]))
    assert_same(read_vectors(tmp_path / name), old)
    assert sorted(map(str, tmp_path.iterdir())) == sorted(paths)


def test_words_that_cannot_be_written_leave_the_old_matrix(tmp_path):
    old = some_vectors()
    write_vectors(tmp_path / "a.npy", old)
    (tmp_path / "words").mkdir()
    with pytest.raises(IsADirectoryError, match="Is a folder: .*words'"):
        write_vectors(tmp_path / "a.npy", some_vectors(9, 2), words=tmp_path / "words")
    assert_same(read_vectors(tmp_path / "a.npy"), old)


def test_progress_is_shown_where_it_is_asked_for(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(GLOVE)
    read_vectors(tmp_path / "a.txt")
    assert capsys.readouterr() == ("", "")
    read_vectors(tmp_path / "a.txt", verbose=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "a.txt" in printed.err
