"""Word vectors in word2vec's binary format.

A header line of two integers, words and dimension D; then for each word its UTF-8, a blank, D
float32 in little-endian order and, as most writers do it, a line end.
"""

from __future__ import annotations

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.embeddings.tables import rows_of
from bcq_tf.embeddings.vector_files.row_collector import RowCollector
from bcq_tf.embeddings.vector_files.source import BLOCK_BYTES, VectorSource
from bcq_tf.embeddings.vector_files.text import parse_header, parse_numbers
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors

LONGEST_WORD = 1 << 16
MOST_NUMBERS = 1 << 20  # of a vector; as many bytes are read at once, four times
_FLOAT = np.dtype("<f4")


def looks_binary(start: bytes) -> bool:
    """Whether the first bytes of a file, with its first two lines, are of this format, not text."""
    first, _, rest = start.partition(b"\n")
    header = parse_header(first)
    # Bytes of floats are control characters one time in eight; text has them in odd words only.
    controls = bytes(range(9)) + bytes(range(14, 32))
    if header is None or len(rest) == len(rest.translate(None, controls)):
        return False
    return not _is_text(rest.partition(b"\n")[0], header[1])


def read_binary(source: VectorSource, limit: int | None, skips: bool = False) -> WordVectors:
    """Reads vectors of this format, see `read_vectors`."""
    (count, dimension), data = _read_header(source)
    size = _FLOAT.itemsize * dimension
    collector = RowCollector(source, dimension, limit, "word", 1, skips)

    def parse(rows: list[bytes]) -> tuple:
        words = [row[: -size - 1].lstrip(b"\n") for row in rows]
        values = np.frombuffer(b"".join(row[-size:] for row in rows), _FLOAT)
        return words, values.reshape(-1, dimension)

    while collector.seen < count and not collector.full:
        left = count - collector.seen
        most = left if collector.room is None else min(left, collector.room)
        rows, used = _whole_rows(data, size, most)
        if rows:
            collector.take(rows, parse)
            data = data[used:]
        else:
            data += _more(source, size, data, count)
    if not collector.full and (data.strip(b"\n") or source.read()):
        raise source.error(f"the file goes on after the {count} words of its header")
    return collector.finish()


def write_binary(file, vectors: WordTable) -> None:
    """Writes vectors in this format, with line ends; ValueError where one would not come back."""
    words = [_encoded(word) for word in vectors.words]
    file.write(b"%d %d\n" % vectors.shape)
    for rows in row_blocks(vectors.shape):
        values = rows_of(vectors, rows).astype(_FLOAT)
        for word, row in zip(words[rows], values, strict=True):
            file.write(word + b" " + row.tobytes() + b"\n")


def _is_text(line: bytes, dimension: int) -> bool:
    # Whether a line is a word and numbers.
    try:
        parse_numbers([b" ".join(line.rsplit(None, dimension)[1:])], dimension)
    except ValueError:
        return False
    return True


def _read_header(source: VectorSource) -> tuple[tuple[int, int], bytes]:
    # The header, and bytes after it.
    source.place = "the header"
    line, end, data = source.read().partition(b"\n")
    header = parse_header(line) if end else None
    if header is None or header[1] == 0:
        raise source.error("it must be two integers in a line, words and dimension")
    if header[1] > MOST_NUMBERS:
        raise source.error(
            f"vectors must have at most {MOST_NUMBERS} numbers. Received: {header[1]}"
        )
    return header, data


def _whole_rows(data: bytes, size: int, most: int) -> tuple[list[bytes], int]:
    # At most `most` rows that begin and end in `data`, and the bytes that they take.
    rows, at = [], 0
    while len(rows) < most:
        blank = data.find(b" ", at, at + LONGEST_WORD)
        end = blank + 1 + size
        if blank < 0 or end > len(data):
            break
        rows.append(data[at:end])
        at = end
    return rows, at


def _more(source: VectorSource, size: int, data: bytes, count: int) -> bytes:
    # Bytes that follow `data`, which begins with a part of a row.
    if len(data) >= LONGEST_WORD and data.find(b" ", 0, LONGEST_WORD) < 0:
        raise source.error(f"the word is longer than {LONGEST_WORD} bytes")
    more = source.read(max(BLOCK_BYTES, size))
    if not more:
        raise source.error(f"the file ends before the last of {count} words is whole")
    return more


def _encoded(word: str) -> bytes:
    encoded = word.encode("utf-8")
    if b" " in encoded or encoded.startswith(b"\n") or len(encoded) >= LONGEST_WORD:
        raise ValueError(
            f"`vectors` must have words without blanks for this format. Received: {word[:40]!r}"
        )
    return encoded
