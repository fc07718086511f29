"""`RowCollector`: words and rows of a file as they come, in little more memory than they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bcq_tf.embeddings.vector_files.source import VectorSource
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
        unit: what a row is called in errors, "line" or "word".
        first: number of the first row.
        skips: whether wrong rows are left out and noted; else the first is an error.

    Attributes:
        seen: rows so far, those left out too.
    """

    def __init__(
        self, source: VectorSource, dimension: int, limit, unit: str, first: int, skips: bool
    ):
        self.source = source
        self.skips = skips
        self.seen = 0
        self._limit = limit
        self._unit = unit
        self._first = first
        self._numbers: dict[str, int] = {}
        self._duplicates, self._first_duplicate = 0, None
        self._refused, self._first_refused = 0, []
        self._matrix = np.empty((0, dimension), np.float32)
        self._pass_over(0)

    @property
    def room(self) -> int | None:
        """Words up to the limit; None where there is none."""
        return None if self._limit is None else self._limit - len(self._numbers)

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.room == 0

    def take(self, rows: Sequence, parse: Callable[[Sequence], tuple]) -> None:
        """Takes rows, the next of the file, as long as there is room.

        Args:
            rows: of any kind.
            parse: makes of some of them their words in UTF-8 and their values, float32 [n, D]; it
                raises ValueError where one is wrong, for a row by itself with what is wrong.

        Raises:
            VectorFileError: a row is wrong, its word empty or no UTF-8, or a value NaN or Inf, and
                wrong rows are not left out.
        """
        while rows and not self.full:
            part = rows[: self.room]
            self._take(part, parse)
            rows = rows[len(part) :]

    def finish(self) -> WordVectors:
        """What was gathered; notes rows that were left out.

        Raises:
            VectorFileError: there is no row.
        """
        path, notes = self.source.path, self.source.notes
        if self._refused:
            more, several = self._refused - MOST_NAMED, "s" if self._refused > 1 else ""
            notes.append(
                f"'{path}': {self._refused} wrong {self._unit}{several} left out: "
                + "; ".join(self._first_refused)
                + (f"; and {more} more" if more > 0 else "")
            )
        if not self._numbers:
            raise self.source.error("the file has no vectors")
        self._resize(len(self._numbers))
        if self._duplicates:
            notes.append(
                f"'{path}': {self._duplicates} vectors of words that came before were left out, "
                f"the first of {short(self._first_duplicate)}"
            )
        return WordVectors(self._numbers, self._matrix)

    def _take(self, rows: Sequence, parse: Callable) -> None:
        # Of rows of which one is wrong each half is tried again, down to that row.
        try:
            words, values = parse(rows)
            words = _decoded(words, values)
        except ValueError as error:
            if len(rows) == 1:
                self._refuse(str(error))
                return
        else:
            self._add(words, values)
            return
        self._take(rows[: len(rows) // 2], parse)
        self._take(rows[len(rows) // 2 :], parse)

    def _refuse(self, message: str) -> None:
        if not self.skips:
            raise self.source.error(message)
        self._refused += 1
        if self._refused <= MOST_NAMED:
            self._first_refused.append(f"{self.source.place}: {message}")
        self._pass_over(1)

    def _add(self, words: list[str], values: np.ndarray) -> None:
        new = []
        for row, word in enumerate(words):
            if word in self._numbers:
                self._duplicates += 1
                self._first_duplicate = self._first_duplicate or word
            else:
                self._numbers[word] = len(self._numbers)
                new.append(row)
        end = len(self._numbers)
        if end > len(self._matrix):
            self._resize(max(end, int(len(self._matrix) * GROWTH)))
        self._matrix[end - len(new) : end] = values if len(new) == len(values) else values[new]
        self._pass_over(len(words))

    def _pass_over(self, count: int) -> None:
        self.seen += count
        self.source.place = f"{self._unit} {self._first + self.seen}"

    def _resize(self, rows: int) -> None:
        # In place: no second matrix.
        self._matrix.resize((rows, self._matrix.shape[1]), refcheck=False)


def _decoded(words: Sequence[bytes], values: np.ndarray) -> list[str]:
    # Raises ValueError where one is empty or no UTF-8, or a value NaN or Inf.
    if b"" in words:
        raise ValueError("the word is missing")
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        kind = "NaN" if np.isnan(values[row, column]) else "Inf in float32"
        raise ValueError(f"number {column + 1} is {kind}")
    try:
        return [word.decode("utf-8") for word in words]
    except UnicodeDecodeError as error:
        raise ValueError(f"the word {error.object[:40]!r} is no UTF-8 ({error.reason})") from None
