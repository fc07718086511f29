"""Word vectors as text: GloVe's, and word2vec's and fastText's, which have a header."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.embeddings.vector_files.number_text import parse_row, parse_rows
from bcq_tf.embeddings.vector_files.row_collector import RowCollector
from bcq_tf.embeddings.vector_files.vector_source import VectorSource
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors

_HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,9})\s*")
_FRACTION = re.compile(rb"[+-]?(\d*\.\d+|\d+\.\d*|\d+(?=[eE]))([eE][+-]?\d+)?")


def parse_header(line: bytes) -> tuple[int, int] | None:
    """The number of words and the dimension that a header line has, or None."""
    found = _HEADER.fullmatch(line)
    return (int(found[1]), int(found[2])) if found else None


def read_text(
    source: VectorSource, limit: int | None, header: bool | None, skips: bool = False
) -> WordVectors:
    """Reads lines of a word and its numbers, with blanks between them.

    A word may have blanks in it, as the last D fields are the numbers. Without a header D is what
    most of the first lines have. Blank lines may stand at the end.

    Args:
        source: the file.
        limit: the most words; None for all.
        header: whether the first line is one; None to find out.
        skips: whether wrong lines are left out.

    Raises:
        VectorFileError: the file is damaged.
    """
    source.place = "line 1"
    blocks = source.line_blocks()
    lines, cut = _opening(blocks)
    count, dimension = _header(source, lines, header)
    if count is not None:
        lines = lines[1:]
    elif lines:
        dimension = _usual_dimension(source, lines)
    collector = RowCollector(source, dimension, limit, "line", 1 if count is None else 2, skips)
    reader = _LineReader(collector)
    reader.take(lines, cut)
    for lines, cut in blocks:
        if collector.full:
            break
        reader.take(lines, cut)
    if count is not None and not collector.full and collector.seen != count:
        raise collector.error(0, f"the file has {collector.seen} words, its header says {count}")
    return collector.finish()


def write_text(file, vectors: WordTable, header: bool) -> None:
    """Writes lines of a word and its numbers, in the fewest digits that give them back.

    Args:
        file: takes bytes.
        vectors: what is written.
        header: whether a line of the number of words and D comes first.

    Raises:
        ValueError: a word would not be read back.
    """
    words = [_encoded(word) for word in vectors.words]
    if header:
        file.write(b"%d %d\n" % vectors.shape)
    for rows in row_blocks(vectors.shape):
        values = vectors.rows(np.arange(rows.start, rows.stop)).astype("S16").tolist()
        pairs = zip(words[rows], values, strict=True)
        text = b"".join(word + b" " + b" ".join(row) + b"\n" for word, row in pairs)
        if not header and rows.start == 0:
            _check_start(text, vectors)
        file.write(text)


class _LineReader:
    """Takes lines apart for a collector."""

    def __init__(self, collector: RowCollector):
        self._collector = collector
        self._dimension = collector.dimension
        self._blank = 0  # lines that nothing but blanks was in, as the end of a file may have them

    def take(self, lines: list[bytes], cut: bool) -> None:
        """Takes as many lines as there is room for; `cut`: the last of them has no line end."""
        filled = len(lines)
        while filled and not lines[filled - 1].strip():
            filled -= 1
        if filled and self._blank:
            self._refuse_blank()
        self._blank += len(lines) - filled
        room = self._collector.room
        if cut and filled == len(lines) and (room is None or room >= filled):
            self._check_cut(filled - 1, lines[-1])
        lines = lines[:filled]
        while lines and not self._collector.full:
            part = lines[: self._collector.room]
            self._take(part)
            lines = lines[len(part) :]

    def _refuse_blank(self) -> None:
        for row in range(self._blank):
            self._collector.refuse(row, self._wrong_dimension(0))
        self._collector.pass_over(self._blank)
        self._blank = 0

    def _take(self, lines: list[bytes]) -> None:
        words, numbers, rows = [], [], []
        for row, line in enumerate(lines):
            try:
                word, rest = self._divided(line.rstrip())
            except ValueError as error:
                self._collector.refuse(row, str(error))
                continue
            words.append(word)
            numbers.append(rest)
            rows.append(row)
        values = parse_rows(numbers, self._dimension)
        if values is None:
            parsed = [self._parsed(row, text) for row, text in zip(rows, numbers, strict=True)]
            right = [i for i, value in enumerate(parsed) if value is not None]
            words, rows = [words[i] for i in right], [rows[i] for i in right]
            values = np.array([parsed[i] for i in right], np.float32).reshape(-1, self._dimension)
        self._collector.add(words, values, rows, len(lines))

    def _divided(self, line: bytes) -> tuple[bytes, bytes]:
        # The word of a line, and its numbers with single blanks between them.
        if line.count(b" ") == self._dimension and b"\t" not in line:
            word, _, rest = line.partition(b" ")
            return word, rest
        fields = line.rsplit(None, self._dimension)
        if len(fields) <= self._dimension:
            raise ValueError(self._wrong_dimension(max(0, len(line.split()) - 1)))
        word = fields[0]
        if _ends_in_fraction(word):
            raise ValueError(self._wrong_dimension(self._dimension + 1))
        return word, b" ".join(fields[1:])

    def _parsed(self, row: int, text: bytes) -> np.ndarray | None:
        # None where the row was refused.
        try:
            numbers = parse_row(text)
            if len(numbers) != self._dimension:
                raise ValueError(self._wrong_dimension(len(numbers)))
            return numbers
        except ValueError as error:
            self._collector.refuse(row, str(error))
            return None

    def _wrong_dimension(self, found: int) -> str:
        return f"the word must have {self._dimension} numbers. Received: {found}"

    def _check_cut(self, row: int, line: bytes) -> None:
        # Its last number may have lost digits too, and nobody could tell.
        fields = len(line.split()) - 1
        if fields >= self._dimension:
            self._collector.note(row, "the last line has no line end; its last number may be cut")
        elif not self._collector.skips:
            raise self._collector.error(
                row, f"the file ends in the middle of the line ({fields} of {self._dimension} "
                "numbers)"
            )  # fmt: skip


def _opening(blocks: Iterator) -> tuple[list[bytes], bool]:
    # The lines that tell of header and dimension, and whether a line end is missing.
    lines, cut = next(blocks, ([], False))
    if len(lines) == 1 and not cut:  # a header may stand alone in its block
        more, cut = next(blocks, ([], False))
        lines = lines + more
    if lines:
        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
    return lines, cut


def _header(source: VectorSource, lines: list[bytes], wanted: bool | None):
    # (words, dimension) of the header, or (None, 0).
    found = parse_header(lines[0]) if lines and wanted is not False else None
    if found and wanted is None and len(lines) > 1 and len(lines[1].split()) == 2:
        found = found if found[1] == 1 else None  # else vectors of one number
    if found is None:
        if wanted:
            raise source.error("the header of two integers, words and dimension, is missing")
        return None, 0
    if found[1] == 0:
        raise source.error("the header says that vectors have no numbers")
    return found


def _usual_dimension(source: VectorSource, lines: list[bytes]) -> int:
    dimension = Counter(len(line.split()) for line in lines).most_common(1)[0][0] - 1
    if dimension < 1:
        raise source.error("a word and its numbers must stand in a line")
    return dimension


def _check_start(text: bytes, vectors: WordTable) -> None:
    # Of a file without a header, of which the reader knows D only by its first lines.
    if text.startswith(codecs.BOM_UTF8):
        raise ValueError(
            "`vectors` must have no U+FEFF before the first word for `format` 'glove'; 'word2vec' "
            f"takes it. Received: {vectors.words[0]!r}"
        )
    source = VectorSource("", io.BytesIO(text), lambda position: None)
    lines, _ = _opening(source.line_blocks())
    if _usual_dimension(source, lines) != vectors.shape[1]:
        several = next(word for word in vectors.words if len(word.encode("utf-8").split()) > 1)
        raise ValueError(
            "`vectors` must have few words with blanks among the first for `format` 'glove'; "
            f"'word2vec' takes them. Received: {several!r}"
        )


def _ends_in_fraction(word: bytes) -> bool:
    # The word of a line with a number too many; "route 66" is a word.
    fields = word.split()
    return len(fields) > 1 and _FRACTION.fullmatch(fields[-1]) is not None


def _encoded(word: str) -> bytes:
    encoded = word.encode("utf-8")
    if encoded != encoded.strip() or b"\n" in encoded or _ends_in_fraction(encoded):
        raise ValueError(
            "`vectors` must have words without line ends, without blanks at their ends, and not of "
            f"several parts with a fraction as the last. Received: {word!r}"
        )
    return encoded
