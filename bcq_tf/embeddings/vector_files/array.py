"""Word vectors as a `.npy` matrix with a file of its words, one a line."""

from __future__ import annotations

import codecs
import os
import textwrap

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.embeddings.tables import rows_of
from bcq_tf.embeddings.vector_files.row_collector import RowCollector
from bcq_tf.embeddings.vector_files.source import VectorFileError, create, open_source
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors
from bcq_tf.files.atomic import replacing_all

SUFFIX, WORDS_SUFFIX = ".npy", ".vocab"


def words_path(path: str) -> str:
    """Where the words of `x.npy` are unless another place is said: `x.vocab`."""
    return path.removesuffix(SUFFIX) + WORDS_SUFFIX


def open_array(path: str, error: type[ValueError]) -> np.ndarray:
    """The array of a `.npy` file, read-only and mapped, so that only what is used is read.

    `error` is raised where this is no such file, OSError where it cannot be opened.
    """
    with open(path, "rb"):  # a missing file is an error of its own
        pass
    try:
        with np.errstate(over="ignore"):  # of the sizes in a header
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as reason:  # NumPy evaluates the header, and nearly anything may come of it
        said = textwrap.shorten(str(reason) or type(reason).__name__, 150, placeholder="...")
        raise error(f"'{path}' is no whole .npy file of an array: {said}") from None


def read_array(
    path: str, words: str, limit: int | None, verbose: bool, skips: bool = False
) -> tuple[WordVectors, list[str]]:
    """The vectors, and what the user is to be warned of; see `read_vectors`."""
    shape = _open_matrix(path).shape
    with open_source(words, verbose) as source:
        collector = RowCollector(source, shape[1], limit, "line", 1, skips)

        def parse(words: list[bytes]) -> tuple:
            # Opened anew, as pages that were read would count as this process' memory.
            rows = _open_matrix(path)[collector.seen : collector.seen + len(words)]
            with np.errstate(over="ignore"):  # to Inf, which the collector refuses
                return words, np.array(rows, np.float32)

        for lines in _word_blocks(source):
            known = lines[: shape[0] - collector.seen]
            for part in row_blocks((len(known), shape[1])):
                collector.take(known[part], parse)
            if collector.full:
                break
            if any(lines[len(known) :]):  # but for blank lines at the end
                raise source.error(_lengths(path, shape[0], "more"))
        if not collector.full and collector.seen < shape[0]:
            raise source.error(_lengths(path, shape[0], "fewer"))
        return collector.finish(), source.notes


def write_array(path: str, words: str, vectors: WordTable) -> None:
    """Writes the matrix as float32 to `path`, and the words; both files whole or neither.

    Raises ValueError where a word would not be read back.
    """
    text = b"".join(_encoded(word) + b"\n" for word in vectors.words)
    if text.startswith(codecs.BOM_UTF8):
        raise ValueError(
            "`vectors` must have no U+FEFF before the first word for `format` 'npy'. "
            f"Received: {vectors.words[0]!r}"
        )
    with replacing_all([path, words]) as (new_matrix, new_words):
        with create(new_words, words.endswith(".gz")) as file:
            file.write(text)
        matrix = np.lib.format.open_memmap(new_matrix, "w+", np.float32, vectors.shape)
        for rows in row_blocks(vectors.shape):
            matrix[rows] = rows_of(vectors, rows)
        matrix.flush()


def _word_blocks(source):
    mark = codecs.BOM_UTF8
    for lines, _ in source.line_blocks():
        lines[0] = lines[0].removeprefix(mark)
        mark = b""  # on the first line only
        yield [line.removesuffix(b"\r") for line in lines]


def _encoded(word: str) -> bytes:
    if "\n" in word or word.endswith("\r"):
        raise ValueError(f"`vectors` must have words without line ends. Received: {word!r}")
    return word.encode("utf-8")


def _open_matrix(path: str) -> np.ndarray:
    matrix = open_array(path, VectorFileError)
    if matrix.ndim != 2 or 0 in matrix.shape or not np.issubdtype(matrix.dtype, np.floating):
        raise VectorFileError(
            f"'{path}' must be floats [words, D]. Received: {matrix.dtype} {list(matrix.shape)}"
        )
    return matrix


def _lengths(path: str, rows: int, kind: str) -> str:
    return f"the file has {kind} words than '{os.path.basename(path)}' has rows, {rows}"
