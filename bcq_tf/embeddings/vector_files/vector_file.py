"""`read_vectors` and `write_vectors`: files of word vectors."""

from __future__ import annotations

import contextlib
import gzip
import os
import warnings

from bcq_tf.atomic import replacing
from bcq_tf.embeddings.vector_files import vector_array
from bcq_tf.embeddings.vector_files.vector_binary import looks_binary, read_binary, write_binary
from bcq_tf.embeddings.vector_files.vector_source import VectorFileError, open_source
from bcq_tf.embeddings.vector_files.vector_text import read_text, write_text
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors

__all__ = ["FORMATS", "VectorFileError", "read_vectors", "write_vectors"]

FORMATS = ("glove", "word2vec", "word2vec-binary", "npy")
_START_BYTES = 1 << 14


def read_vectors(path, format=None, words=None, limit=None, verbose=False) -> WordVectors:
    """Reads word vectors as float32.

    Text has a line for each word: the word, which may have blanks in it, and D numbers. Of words
    that come more than once the first counts, and a warning says how many were left out. Memory
    peaks little above what the vectors take.

    Args:
        path: the file; gzipped where it ends with .gz (not with "npy").
        format: "glove" (text), "word2vec" (text after a header of words and dimension; fastText's
            `.vec` files too), "word2vec-binary" or "npy" (a matrix of floats, and its words one a
            line in another file). None to find out: "npy" where `path` ends with .npy, else by
            what the file begins with.
        words: file of the words with "npy"; None for `x.vocab` beside `x.npy`.
        limit: the most words, the first of the file; None for all.
        verbose: whether a bar on stderr shows the progress.

    Returns:
        `WordVectors`.

    Raises:
        VectorFileError: the file is damaged or of another format; names the file and the line. It
            is a ValueError.
        ValueError, TypeError: an argument breaks its rule.
        OSError: the file cannot be read.
    """
    path = os.fsdecode(path)
    _check(format, words, limit)
    if format == "npy" or (format is None and path.endswith(vector_array.SUFFIX)):
        vectors, notes = vector_array.read_array(
            path, None if words is None else os.fsdecode(words), limit, verbose
        )
    else:
        if words is not None:
            raise ValueError(f"`words` must be None but for a .npy matrix. Received: {words!r}")
        with open_source(path, verbose) as source:
            if _is_binary(source, format):
                vectors = read_binary(source, limit)
            else:
                header = {"glove": False, "word2vec": True}.get(format)
                vectors = read_text(source, limit, header)
        notes = source.notes
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return vectors


def write_vectors(path, vectors: WordTable, format=None, words=None) -> None:
    """Writes word vectors so that `read_vectors` gives the same float32 back.

    The file appears whole or not at all.

    Args:
        path: where to write; gzipped where it ends with .gz (not with "npy").
        vectors: `WordVectors`, or `CompressedVectors`, which are dequantized part by part.
        format: as for `read_vectors`; None for "npy" where `path` ends with .npy, "word2vec-binary"
            with .bin or .bin.gz, else "glove".
        words: where the words go with "npy"; None for `x.vocab` beside `x.npy`.

    Raises:
        ValueError, TypeError: an argument breaks its rule, or a word cannot be written in this
            format (one with a blank in binary, one with a line end).
        OSError: the file cannot be written.
    """
    path = os.fsdecode(path)
    _check(format, words, None)
    format = _format_of(path) if format is None else format
    if format == "npy":
        vector_array.write_array(path, None if words is None else os.fsdecode(words), vectors)
        return
    if words is not None:
        raise ValueError(f"`words` must be None but for a .npy matrix. Received: {words!r}")
    with replacing(path) as temporary, _created(temporary, path.endswith(".gz")) as file:
        if format == "word2vec-binary":
            write_binary(file, vectors)
        else:
            write_text(file, vectors, header=format == "word2vec")


def _check(format, words, limit) -> None:
    if format is not None and format not in FORMATS:
        raise ValueError(f"`format` must be None or one of {FORMATS}. Received: {format!r}")
    if limit is not None and (not hasattr(limit, "__index__") or limit < 1):
        raise ValueError(f"`limit` must be None or a positive integer. Received: {limit!r}")


def _is_binary(source, format: str | None) -> bool:
    if format is not None:
        return format == "word2vec-binary"
    return _format_of(source.path) == "word2vec-binary" or looks_binary(source.peek(_START_BYTES))


def _format_of(path: str) -> str:
    name = path.removesuffix(".gz")
    if name.endswith(vector_array.SUFFIX):
        return "npy"
    return "word2vec-binary" if name.endswith(".bin") else "glove"


@contextlib.contextmanager
def _created(path: str, zipped: bool):
    with open(path, "xb") as file:
        if not zipped:
            yield file
            return
        # Without name and time in it, equal vectors give equal files.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            yield packed
