"""`read_vectors` and `write_vectors`: files of word vectors."""

from __future__ import annotations

import os
import warnings

from bcq_tf.config import check_choice, is_integer
from bcq_tf.embeddings.vector_files.array import read_array, words_path, write_array
from bcq_tf.embeddings.vector_files.binary import looks_binary, read_binary, write_binary
from bcq_tf.embeddings.vector_files.source import (
    PACKED_SUFFIXES,
    VectorFileError,
    create,
    open_source,
    other_format,
)
from bcq_tf.embeddings.vector_files.text import read_text, write_text
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors
from bcq_tf.files.atomic import replacing
from bcq_tf.files.paths import as_path

FORMATS = ("glove", "word2vec", "word2vec-binary", "npy")
ON_ERROR = ("raise", "skip")
_WRITTEN = {".vec": "word2vec"}  # with the header that fastText writes
_OF_SUFFIX = {".npy": "npy", ".bin": "word2vec-binary", ".txt": "text", ".vec": "text"}
_START_BYTES = 1 << 17  # with a whole line of numbers in it


def read_vectors(
    path, format=None, words=None, limit=None, verbose=False, on_error="raise"
) -> WordVectors:
    """Reads word vectors as float32.

    Text has a line for each word: the word, which may have blanks in it, and D numbers; blank lines
    may stand at the end. Of words that come more than once the first counts, and a warning says how
    many were left out. Memory peaks little above what the vectors take.

    Args:
        path: the file, which may be gzipped, or the only one in a zip file, but for "npy".
        format: "glove" (text), "word2vec" (text after a header of words and dimension; fastText's
            `.vec` files too), "word2vec-binary" or "npy" (a matrix of floats, and its words one a
            line in another file). None to find out: by the name where it ends with .npy, .bin, .txt
            or .vec, else by what the file begins with; text has a header or none.
        words: file of the words with "npy"; None for `x.vocab` beside `x.npy`.
        limit: the most words, the first of the file; None for all.
        verbose: whether a bar on stderr shows the progress.
        on_error: "raise", or "skip" to leave out words whose line or row is wrong: a warning counts
            them and tells of the first.

    Returns:
        `WordVectors`.

    Raises:
        VectorFileError: the file is damaged or of another format; names the file and the line. It
            is a ValueError.
        ValueError, TypeError: an argument breaks its rule.
        OSError: the file cannot be read.
    """
    path, format, words = _checked(path, format, words)
    if limit is not None and not (is_integer(limit) and limit >= 1):
        raise ValueError(f"`limit` must be None or a positive integer. Received: {limit!r}")
    check_choice("on_error", on_error, ON_ERROR)
    skips = on_error == "skip"
    if format == "npy":
        vectors, notes = read_array(path, words, limit, verbose, skips)
    else:
        with open_source(path, verbose) as source:
            start = source.peek(_START_BYTES)
            if other := other_format(start):
                raise VectorFileError(f"'{path}': it holds {other}")
            if format is None and looks_binary(start):
                format = "word2vec-binary"
            if format == "word2vec-binary":
                vectors = read_binary(source, limit, skips)
            else:
                header = {"glove": False, "word2vec": True}.get(format)
                vectors = read_text(source, limit, header, skips)
        notes = source.notes
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return vectors


def write_vectors(path, vectors: WordTable, format=None, words=None) -> tuple[str, ...]:
    """Writes word vectors so that `read_vectors` gives the same float32 back.

    The files appear whole or not at all.

    Args:
        path: where to write; gzipped where it ends with .gz, which "npy" does not take.
        vectors: `WordVectors`, or `CompressedVectors`, which are dequantized part by part.
        format: as for `read_vectors`; None for "npy" where `path` ends with .npy, "word2vec-binary"
            with .bin or .bin.gz, "word2vec" with .vec or .vec.gz, else "glove".
        words: where the words go with "npy", gzipped too where that ends with .gz; None for
            `x.vocab` beside `x.npy`.

    Returns:
        See `output_paths`.

    Raises:
        ValueError, TypeError: an argument breaks its rule, or a word cannot be written in this
            format (one with a blank in binary, one with a line end, blanks in most words of
            "glove").
        OSError: the file cannot be written.
    """
    if not isinstance(vectors, WordTable):
        raise TypeError(
            "`vectors` must be WordVectors or CompressedVectors. "
            f"Received: {type(vectors).__name__}"
        )
    path, format, words = _checked_output(path, format, words)
    if format == "npy":
        write_array(path, words, vectors)
        return path, words
    with replacing(path) as temporary, create(temporary, path.endswith(".gz")) as file:
        if format == "word2vec-binary":
            write_binary(file, vectors)
        else:
            write_text(file, vectors, header=format == "word2vec")
    return (path,)


def output_paths(path, format=None, words=None) -> tuple[str, ...]:
    """The files that `write_vectors` writes with these arguments: `path`, and with "npy" that of
    the words.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    path, format, words = _checked_output(path, format, words)
    return (path, words) if format == "npy" else (path,)


def _checked_output(path, format, words) -> tuple[str, str | None, str | None]:
    path = as_path("path", path)
    if path.endswith(".zip"):
        raise ValueError(f"`path` must not end with .zip; .gz is written. Received: '{path}'")
    if format is None:
        format = _WRITTEN.get(_suffix(path))
    return _checked(path, format, words)


def _checked(path, format, words) -> tuple[str, str | None, str | None]:
    # The path, the format (None where the name does not tell) and with "npy" the path of the words.
    path = as_path("path", path)
    if format is None:
        format = _OF_SUFFIX.get(_suffix(path))
    elif format not in FORMATS:
        raise ValueError(f"`format` must be None or one of {FORMATS}. Received: {format!r}")
    if format != "npy":
        if words is not None:
            raise ValueError(f"`words` must be None but for a .npy matrix. Received: {words!r}")
        return path, format, None
    if path.endswith(PACKED_SUFFIXES):
        suffix = os.path.splitext(path)[1]
        raise ValueError(f"`path` must not end with {suffix} for a .npy matrix. Received: '{path}'")
    words = words_path(path) if words is None else as_path("words", words)
    if os.path.realpath(words) == os.path.realpath(path):
        raise ValueError(f"`words` must be another file than `path`. Received: '{words}'")
    return path, format, words


def _suffix(path: str) -> str:
    # The last one, with that of the packing left out.
    base, suffix = os.path.splitext(path)
    return os.path.splitext(base)[1] if suffix in PACKED_SUFFIXES else suffix
