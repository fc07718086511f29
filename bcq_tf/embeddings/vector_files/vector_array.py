"""Word vectors as a `.npy` matrix with a file of its words, one a line."""

from __future__ import annotations

import os

import numpy as np

from bcq_tf.atomic import replacing, write_atomically
from bcq_tf.coded_matrix import row_blocks
from bcq_tf.embeddings.vector_files.row_collector import RowCollector
from bcq_tf.embeddings.vector_files.vector_source import VectorFileError, open_source
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors

SUFFIX, WORDS_SUFFIX = ".npy", ".vocab"


def words_path(path: str) -> str:
    """Where the words of `x.npy` are unless another place is said: `x.vocab`."""
    return path.removesuffix(SUFFIX) + WORDS_SUFFIX


def read_array(
    path: str, words: str | None, limit: int | None, verbose: bool
) -> tuple[WordVectors, list[str]]:
    """The vectors, and what the user is to be warned of.

    Args:
        path: of the matrix, [n, D] of floating dtype.
        words: of the words, UTF-8, gzipped where it ends with .gz; None for `words_path(path)`.
        limit: the most words; None for all.
        verbose: whether a bar shows the progress.

    Raises:
        VectorFileError: a file is damaged, or they do not fit together.
    """
    shape = _open_matrix(path).shape
    words = words_path(path) if words is None else words
    with open_source(words, verbose) as source:
        source.place = "line 1"
        collector = RowCollector(source, shape[1], limit, "line", 1)
        for lines, _ in source.line_blocks():
            for part in row_blocks((len(lines), shape[1])):
                _take(collector, [line.removesuffix(b"\r") for line in lines[part]], path)
            if collector.full:
                break
        if not collector.full and collector.seen < shape[0]:
            raise collector.error(0, _lengths(path, shape[0], "fewer"))
        return collector.finish(), source.notes


def write_array(path: str, words: str | None, vectors: WordTable) -> None:
    """Writes the words, then the matrix as float32; each file whole or not at all.

    Args:
        path: of the matrix.
        words: of the words; None for `words_path(path)`.
        vectors: what is written.

    Raises:
        ValueError: a word has a line end.
    """
    for word in vectors.words:
        if "\n" in word or word.endswith("\r"):
            raise ValueError(f"`vectors` must have words without line ends. Received: {word!r}")
    text = "".join(f"{word}\n" for word in vectors.words).encode("utf-8")
    write_atomically(words_path(path) if words is None else words, [text])
    with replacing(path) as temporary:
        matrix = np.lib.format.open_memmap(temporary, "w+", np.float32, vectors.shape)
        for rows in row_blocks(vectors.shape):
            matrix[rows] = vectors.rows(np.arange(rows.start, rows.stop))
        matrix.flush()


def _open_matrix(path: str) -> np.ndarray:
    with open(path, "rb"):  # a missing file is an error of its own
        pass
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise VectorFileError(f"'{path}' is no .npy file of an array: {error}") from None
    if matrix.ndim != 2 or 0 in matrix.shape or not np.issubdtype(matrix.dtype, np.floating):
        raise VectorFileError(
            f"'{path}' must be floats [words, D]. Received: {matrix.dtype} {list(matrix.shape)}"
        )
    return matrix


def _take(collector: RowCollector, words: list[bytes], path: str) -> None:
    # Takes as many words, with their rows, as there is room for.
    while words and not collector.full:
        part = words[: collector.room]
        # Opened anew, as pages that were read would count as this process' memory.
        matrix = _open_matrix(path)
        rows = np.array(matrix[collector.seen : collector.seen + len(part)], np.float32)
        if len(rows) < len(part):
            raise collector.error(len(rows), _lengths(path, len(matrix), "more"))
        collector.add(part, rows)
        words = words[len(part) :]


def _lengths(path: str, rows: int, kind: str) -> str:
    return f"the file has {kind} words than '{os.path.basename(path)}' has rows, {rows}"
