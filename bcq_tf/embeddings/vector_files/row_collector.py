"""`RowCollector`: words and rows of a file as they come, in little more memory than they take."""

from __future__ import annotations

import numpy as np

from bcq_tf.embeddings.vector_files.vector_source import VectorSource
from bcq_tf.embeddings.word_vectors import WordVectors
from bcq_tf.shown import short

GROWTH = 1.125


class RowCollector:
    """Gathers rows, the first of each word, up to a limit.

    The matrix grows by an eighth, which Linux does without a copy, and is cut at the end.

    Args:
        source: where the rows come from.
        dimension: D.
        limit: the most words; None for all.
        unit: what a row is called in errors, "line" or "row".
        first: number of the first row.
    """

    def __init__(self, source: VectorSource, dimension: int, limit, unit: str, first: int):
        self.source = source
        self.dimension = dimension
        self._limit = limit
        self._unit = unit
        self._first = first
        self.seen = 0
        self._numbers: dict[str, int] = {}
        self._duplicates, self._first_duplicate = 0, None
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

    def add(self, words: list[bytes], values: np.ndarray) -> None:
        """Takes rows: their words in UTF-8, and their values, float32 [n, D].

        Raises:
            VectorFileError: a word is empty or no UTF-8, or a value NaN or Inf.
        """
        self._check_finite(values)
        kept = self._new(self._decoded(words))
        begin = len(self._numbers) - len(kept)
        if len(self._numbers) > len(self._matrix):
            self._resize(max(len(self._numbers), int(len(self._matrix) * GROWTH)))
        self._matrix[begin : len(self._numbers)] = (
            values if len(kept) == len(values) else values[kept]
        )
        self.seen += len(words)
        self._move_to(0)

    def finish(self) -> WordVectors:
        """What was gathered; notes words that came more than once.

        Raises:
            VectorFileError: there is no row.
        """
        if not self._numbers:
            raise self.error(0, "the file has no vectors")
        self._resize(len(self._numbers))
        if self._duplicates:
            self.source.notes.append(
                f"'{self.source.path}': {self._duplicates} vectors of words that came before "
                f"were left out, the first of {short(self._first_duplicate)}"
            )
        return WordVectors(self._numbers, self._matrix)

    def _decoded(self, words: list[bytes]) -> list[str]:
        try:
            decoded = [word.decode("utf-8") for word in words]
        except UnicodeDecodeError:
            raise self._undecodable(words) from None
        if "" in decoded:
            raise self.error(decoded.index(""), "the word is missing")
        return decoded

    def _undecodable(self, words: list[bytes]):
        for row, word in enumerate(words):
            try:
                word.decode("utf-8")
            except UnicodeDecodeError as error:
                return self.error(row, f"the word {word[:40]!r} is no UTF-8 ({error.reason})")

    def _check_finite(self, values: np.ndarray) -> None:
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            kind = "NaN" if np.isnan(values[row, column]) else "Inf in float32"
            raise self.error(row, f"number {column + 1} is {kind}")

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
