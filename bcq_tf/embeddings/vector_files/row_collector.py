"""`RowCollector`: words and rows of a file as they come, in little more memory than they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bcq_tf.embeddings.vector_files.vector_source import VectorSource
from bcq_tf.embeddings.word_vectors import WordVectors
from bcq_tf.shown import short

GROWTH = 1.125
MOST_NAMED = 3  # rows that a note of those left out tells of


class RowCollector:
    """Gathers rows, the first of each word, up to a limit.

    The matrix grows by an eighth, which Linux does without a copy, and is cut at the end.

    Args:
        source: where the rows come from.
        dimension: D.
        limit: the most words; None for all.
        unit: what a row is called in errors, "line" or "row".
        first: number of the first row.
        skips: whether wrong rows are left out and noted; else the first is an error.
    """

    def __init__(
        self, source: VectorSource, dimension: int, limit, unit: str, first: int, skips: bool
    ):
        self.source = source
        self.dimension = dimension
        self.skips = skips
        self._limit = limit
        self._unit = unit
        self._first = first
        self.seen = 0
        self._numbers: dict[str, int] = {}
        self._duplicates, self._first_duplicate = 0, None
        self._refused, self._first_refused = 0, []
        self._matrix = np.empty((0, dimension), np.float32)

    @property
    def room(self) -> int | None:
        """Words up to the limit; None where there is none."""
        return None if self._limit is None else self._limit - len(self._numbers)

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.room == 0

    def error(self, row: int, message: str):
        """The error of the row that comes `row` rows after those seen."""
        self._move_to(row)
        return self.source.error(message)

    def note(self, row: int, message: str) -> None:
        """As `error`, for what is no error."""
        self._move_to(row)
        self.source.notes.append(str(self.source.error(message)))

    def refuse(self, row: int, message: str) -> None:
        """Leaves out the row that comes `row` rows after those seen, or raises its error."""
        if not self.skips:
            raise self.error(row, message)
        self._refused += 1
        number = self._first + self.seen + row  # these come in order but for those of one block
        self._first_refused = sorted([*self._first_refused, (number, message)])[:MOST_NAMED]

    def add(
        self,
        words: list[bytes],
        values: np.ndarray,
        rows: Sequence[int] | None = None,
        count: int | None = None,
    ) -> None:
        """Takes rows: their words in UTF-8, and their values, float32 [n, D].

        Args:
            words, values: of the rows.
            rows: which of the next rows they are, where others of these were refused.
            count: how many these are, with those refused.

        Raises:
            VectorFileError: a word is empty or no UTF-8, or a value NaN or Inf.
        """
        decoded = _decoded(words)
        if decoded is None or not np.isfinite(values).all():
            places = range(len(words)) if rows is None else rows
            decoded, values = self._right_ones(words, values, places)
        kept = self._new(decoded)
        begin = len(self._numbers) - len(kept)
        if len(self._numbers) > len(self._matrix):
            self._resize(max(len(self._numbers), int(len(self._matrix) * GROWTH)))
        self._matrix[begin : len(self._numbers)] = (
            values if len(kept) == len(values) else values[kept]
        )
        self.pass_over(len(words) if count is None else count)

    def pass_over(self, count: int) -> None:
        """Counts rows as seen."""
        self.seen += count
        self._move_to(0)

    def finish(self) -> WordVectors:
        """What was gathered; notes rows that were left out.

        Raises:
            VectorFileError: there is no row.
        """
        if self._refused:
            self.source.notes.append(self._note_of_refused())
        if not self._numbers:
            raise self.error(0, "the file has no vectors")
        self._resize(len(self._numbers))
        if self._duplicates:
            self.source.notes.append(
                f"'{self.source.path}': {self._duplicates} vectors of words that came before "
                f"were left out, the first of {short(self._first_duplicate)}"
            )
        return WordVectors(self._numbers, self._matrix)

    def _note_of_refused(self) -> str:
        count, more = self._refused, self._refused - MOST_NAMED
        return (
            f"'{self.source.path}': {count} wrong {self._unit}{'s' if count > 1 else ''} left out: "
            + "; ".join(f"{self._unit} {number}: {text}" for number, text in self._first_refused)
            + (f"; and {more} more" if more > 0 else "")
        )

    def _right_ones(self, words: list[bytes], values: np.ndarray, rows):
        # The rows of which nothing is wrong: their words, and their values.
        decoded, right = [], []
        for i, (word, value) in enumerate(zip(words, values, strict=True)):
            try:
                decoded.append(_checked(word, value))
                right.append(i)
            except ValueError as error:
                self.refuse(rows[i], str(error))
        return decoded, values[right]

    def _new(self, words: list[str]) -> list[int]:
        # Numbers the new words and returns which of `words` they are.
        kept = []
        for row, word in enumerate(words):
            if word in self._numbers:
                self._duplicates += 1
                self._first_duplicate = self._first_duplicate or word
            else:
                self._numbers[word] = len(self._numbers)
                kept.append(row)
        return kept

    def _move_to(self, row: int) -> None:
        self.source.place = f"{self._unit} {self._first + self.seen + row}"

    def _resize(self, rows: int) -> None:
        # In place: no second matrix.
        self._matrix.resize((rows, self.dimension), refcheck=False)


def _decoded(words: list[bytes]) -> list[str] | None:
    # None where one is empty or no UTF-8.
    try:
        decoded = [word.decode("utf-8") for word in words]
    except UnicodeDecodeError:
        return None
    return None if "" in decoded else decoded


def _checked(word: bytes, value: np.ndarray) -> str:
    # The word of a row; raises ValueError where the row is wrong.
    if not word:
        raise ValueError("the word is missing")
    if not np.isfinite(value).all():
        column = np.flatnonzero(~np.isfinite(value))[0]
        kind = "NaN" if np.isnan(value[column]) else "Inf in float32"
        raise ValueError(f"number {column + 1} is {kind}")
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the word {word[:40]!r} is no UTF-8 ({error.reason})") from None
