"""Word vectors as text: GloVe's, and word2vec's and fastText's, which have a header."""

from __future__ import annotations

import codecs
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.embeddings.tables import rows_of
from bcq_tf.embeddings.vector_files.row_collector import RowCollector
from bcq_tf.embeddings.vector_files.source import VectorSource
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.embeddings.word_vectors import WordVectors

_HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,9})\s*")
_FRACTION = re.compile(rb"[+-]?(\d*\.\d+|\d+\.\d*|\d+(?=[eE]))([eE][+-]?\d+)?")
_PLAIN = b"0123456789+-.eE \n"  # where NumPy and `float` are of one mind
_MOST_BLANK = 1 << 12  # blank lines that are handed on at once


def parse_header(line: bytes) -> tuple[int, int] | None:
    """The number of words and the dimension that a header line has, or None."""
    found = _HEADER.fullmatch(line)
    return (int(found[1]), int(found[2])) if found else None


def parse_numbers(rows: Sequence[bytes], columns: int) -> np.ndarray:
    """Numbers with white space between them, float32 [n, columns]: those of `float`, rounded.

    Raises:
        ValueError: one is no number, or there are more or fewer; tells of the first such row.
    """
    text = b"\n".join(rows)
    if text.strip() and not text.translate(None, _PLAIN):
        try:
            found = np.loadtxt(
                io.BytesIO(text),
                np.float32,
                comments=None,
                delimiter=" ",
                encoding="latin1",
                ndmin=2,
            )
            if found.shape == (len(rows), columns):
                return found
        except ValueError:  # of several blanks too
            pass
    return np.stack([_parse_row(row, columns) for row in rows])


@np.errstate(over="ignore")  # to Inf, which the collector refuses
def _parse_row(row: bytes, columns: int) -> np.ndarray:
    numbers = []
    for field in row.split():
        try:
            if b"_" in field:  # which `float` takes for Python's sake
                raise ValueError
            numbers.append(float(field))
        except ValueError:
            raise ValueError(f"{field[:40].decode('utf-8', 'replace')!r} is no number") from None
    if len(numbers) != columns:
        raise ValueError(_wrong_dimension(columns, len(numbers)))
    return np.array(numbers, np.float64).astype(np.float32)


def read_text(
    source: VectorSource, limit: int | None, header: bool | None, skips: bool = False
) -> WordVectors:
    """Reads lines of a word and its numbers, with blanks between them; see `read_vectors`.

    A word may have blanks in it, as the last D fields are the numbers. Without a header (None: to
    be found out) D is what most of the first lines have.
    """
    blocks = source.line_blocks()
    first, ends_cut = _opening(blocks)
    count, dimension = _header(source, first, header)
    if count is not None:
        first = first[1:]
    elif first:
        dimension = _usual_dimension(source, first)
    blocks = itertools.chain([(first, ends_cut)], blocks)
    collector = RowCollector(source, dimension, limit, "line", 1 if count is None else 2, skips)

    def parse(lines: Sequence[bytes]) -> tuple:
        words, numbers = zip(*(_divided(line, dimension) for line in lines), strict=True)
        return words, parse_numbers(numbers, dimension)

    for lines, cut in _without_last_blanks(blocks):
        collector.take(lines[:-1] if cut else lines, parse)
        if cut and not collector.full:
            _check_cut(collector, lines[-1], dimension)
            collector.take(lines[-1:], parse)
        if collector.full:
            break
    if count is not None and not collector.full and collector.seen != count:
        raise source.error(f"the file has {collector.seen} words, its header says {count}")
    return collector.finish()


def write_text(file, vectors: WordTable, header: bool) -> None:
    """Writes lines of a word and its numbers, in the fewest digits that give them back.

    Raises ValueError where a word would not be read back.
    """
    words = [_encoded(word) for word in vectors.words]
    if header:
        file.write(b"%d %d\n" % vectors.shape)
    for rows in row_blocks(vectors.shape):
        values = rows_of(vectors, rows).astype("S16").tolist()
        pairs = zip(words[rows], values, strict=True)
        text = b"".join(word + b" " + b" ".join(row) + b"\n" for word, row in pairs)
        if not header and rows.start == 0:
            _check_start(text, vectors)
        file.write(text)


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


def _without_last_blanks(blocks: Iterator) -> Iterator[tuple[list[bytes], bool]]:
    # Blocks of lines, but for blank ones at the end of the file.
    blank = 0
    for lines, cut in blocks:
        filled = len(lines)
        while filled and not lines[filled - 1].strip():
            filled -= 1
        if filled:
            for begin in range(0, blank, _MOST_BLANK):
                yield [b""] * min(blank - begin, _MOST_BLANK), False
            yield lines[:filled], cut and filled == len(lines)
            blank = 0
        blank += len(lines) - filled


def _divided(line: bytes, dimension: int) -> tuple[bytes, bytes]:
    # The word of a line, and its numbers with single blanks between them.
    line = line.rstrip()
    if line.count(b" ") == dimension and b"\t" not in line:
        word, _, rest = line.partition(b" ")
        return word, rest
    word, *numbers = line.rsplit(None, dimension) or [b""]
    if len(numbers) < dimension:
        raise ValueError(_wrong_dimension(dimension, max(0, len(line.split()) - 1)))
    if _ends_in_fraction(word):
        raise ValueError(_wrong_dimension(dimension, dimension + 1))
    return word, b" ".join(numbers)


def _wrong_dimension(dimension: int, found: int) -> str:
    return f"the word must have {dimension} numbers. Received: {found}"


def _check_cut(collector: RowCollector, line: bytes, dimension: int) -> None:
    # The last number of a line without end may have lost digits too, and nobody could tell.
    source, found = collector.source, len(line.split()) - 1
    if found >= dimension:
        text = "the last line has no line end; its last number may be cut"
        source.notes.append(str(source.error(text)))
    elif not collector.skips:
        raise source.error(
            f"the file ends in the middle of the line ({found} of {dimension} numbers)"
        )


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
