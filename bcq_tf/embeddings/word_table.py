"""`WordTable`: what word vectors have in common, as floats or as codes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import numpy as np

from bcq_tf.codes.coded_matrix import row_blocks

CLOSE = 3  # similar words that an error names
_SURROGATE = re.compile("[\ud800-\udfff]")


class UnknownWordError(KeyError):
    """A word that a table lacks."""

    def __str__(self) -> str:  # KeyError's has quotes round it
        return self.args[0]


class WordTable:
    """Different words, and a vector for each.

    `word in table`, `len(table)` and `for word in table` speak of the words.

    Args:
        words: different, non-empty strings without lone surrogates, which UTF-8 cannot hold.
        shape: (n, D) of the vectors.

    Raises:
        ValueError, TypeError: words and vectors do not fit together.
    """

    def __init__(self, words: Iterable[str], shape: tuple[int, int]):
        self.words = check_words(words)
        self.shape = (int(shape[0]), int(shape[1]))
        self._numbers = {word: number for number, word in enumerate(self.words)}
        _check_table(self.words, self._numbers, self.shape[0])

    def rows(self, ids) -> np.ndarray:
        """The vectors of the words of numbers `ids`, integers [n]: float32 [n, D]."""
        raise NotImplementedError

    def blocks(self) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
        """Yields all vectors in parts that take little memory: their numbers, a slice or integers,
        and their values, float32 [n, D]."""
        for rows in row_blocks(self.shape):
            yield rows, self.rows(np.arange(rows.start, rows.stop))

    def vector(self, word: str) -> np.ndarray:
        """The vector of a word, float32 [D].

        Raises:
            UnknownWordError: the table lacks it; names words that look alike.
        """
        return self.rows(np.array([self.number(word)]))[0]

    def neighbours(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The k words of largest cosine with `word`, and the cosines, the nearest first.

        Raises:
            UnknownWordError: the word is not here.
            ValueError: `k` is not from 1 to n - 1.
        """
        from bcq_tf.embeddings.evaluation.neighbours import nearest  # which knows tables

        number = self.number(word)
        if not 1 <= k < len(self):
            raise ValueError(f"`k` must be from 1 to {len(self) - 1}. Received: k={k}")
        query = self.rows(np.array([number]))
        numbers, cosines = nearest(self, query, k, excluded=np.array([[number]]))
        return [(self.words[i], float(c)) for i, c in zip(numbers[0], cosines[0], strict=True)]

    def number(self, word: str) -> int:
        """Which word it is, from 0.

        Raises:
            UnknownWordError: the table lacks it; names words that look alike.
        """
        try:
            return self._numbers[word]
        except (KeyError, TypeError):
            raise UnknownWordError(self._unknown(word)) from None

    def find(self, word: str) -> int | None:
        """The number of a word, or of its lower-case form where only that is here, or None."""
        return self._numbers.get(word, self._numbers.get(word.lower()))

    def __contains__(self, word) -> bool:
        return word in self._numbers

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def _unknown(self, word) -> str:
        message = f"`word` must be one of {len(self):,} words. Received: {word!r}"
        similar = self._similar(word) if isinstance(word, str) and word else []
        return f"{message}. Similar: {', '.join(map(repr, similar))}" if similar else message

    def _similar(self, word: str) -> list[str]:
        # Comparing with every word of a large vocabulary would take minutes.
        lower = word.lower()
        near = {
            other.lower(): other
            for other in self.words
            if abs(len(other) - len(word)) <= 2 and other[0].lower() == lower[0]
        }
        return [near[found] for found in difflib.get_close_matches(lower, near, CLOSE, cutoff=0.7)]


def check_words(words: Iterable[str]) -> tuple[str, ...]:
    """`words` as a tuple.

    Raises:
        TypeError: they are not strings.
        ValueError: one has a lone surrogate, which UTF-8 cannot hold.
    """
    try:
        words = tuple(words)
    except TypeError:
        raise TypeError(f"`words` must be strings. Received: {type(words).__name__}") from None
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"`words` must be strings. Received: {word!r}")
        if not word.isascii() and _SURROGATE.search(word):
            raise ValueError(f"`words` must be text that UTF-8 can hold. Received: {word!r}")
    return words


def _check_table(words: tuple, numbers: dict, rows: int) -> None:
    if len(words) != rows:
        raise ValueError(
            f"`words` must be as many as the vectors, {rows}. Received: {len(words)} words"
        )
    if not words:
        raise ValueError("`words` must be one at least. Received: none")
    if "" in numbers:
        raise ValueError("`words` must not be empty. Received: ''")
    if len(numbers) < len(words):
        double = next(word for number, word in enumerate(words) if numbers[word] != number)
        raise ValueError(f"`words` must differ. Received: {double!r} more than once")
