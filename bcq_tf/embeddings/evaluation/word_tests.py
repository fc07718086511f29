"""Tests of word vectors: pairs of words that people rated, and analogies."""

from __future__ import annotations

import codecs
import dataclasses
import math
import os

import numpy as np

from bcq_tf.embeddings.evaluation.neighbours import nearest, unit_rows
from bcq_tf.embeddings.word_table import WordTable

FEWEST_PAIRS = 20  # of a set that counts in the mean
AT_ONCE = 1 << 14  # questions


@dataclasses.dataclass(frozen=True)
class SimilarityScore:
    """The score of one set of pairs.

    Args:
        name: of its file.
        score: Spearman's rank correlation of cosines and people's ratings, over the pairs covered;
            NaN where it is not defined.
        covered: pairs of which the table has both words.
        pairs: of the set.
    """

    name: str
    score: float
    covered: int
    pairs: int


@dataclasses.dataclass(frozen=True)
class AnalogyScore:
    """How many analogies were solved.

    Args:
        correct: questions whose answer was found.
        covered: questions of which the table has all four words.
        questions: of the file.
        sections: (correct, covered) by the name of each section.
    """

    correct: int
    covered: int
    questions: int
    sections: dict[str, tuple[int, int]]

    @property
    def score(self) -> float:
        """The share of the covered questions that is correct; NaN where none is covered."""
        return self.correct / self.covered if self.covered else math.nan


def similarity_scores(vectors: WordTable, path) -> tuple[SimilarityScore, ...]:
    """Whether cosines of vectors rank pairs of words as people do.

    A set is UTF-8 with a pair of words and a rating, a finite number, in each line, white space
    between them; empty lines do not count. Words are looked for as they are, then in lower case;
    pairs with a word that is missing are left out.

    Args:
        vectors: the table.
        path: of one set, or of a folder of sets (its `.txt` files).

    Raises:
        ValueError: a file is no such set, or the folder has none; names the line.
        OSError: a file cannot be read.
    """
    path = os.fsdecode(path)
    if not os.path.isdir(path):
        return (_similarity(vectors, path),)
    names = sorted(name for name in os.listdir(path) if name.endswith(".txt"))
    if not names:
        raise ValueError(f"`path` must be a folder with .txt files. Received: '{path}'")
    return tuple(_similarity(vectors, os.path.join(path, name)) for name in names)


def mean_score(scores: tuple[SimilarityScore, ...]) -> float:
    """The mean over sets with at least 20 pairs covered; NaN where there is none."""
    counted = [s.score for s in scores if s.covered >= FEWEST_PAIRS and not math.isnan(s.score)]
    return float(np.mean(counted)) if counted else math.nan


def spearman(a, b) -> float:
    """Spearman's rank correlation of two sequences [n]; equal values share their mean rank.

    NaN where one of them is constant, so where n < 2 too.
    """
    a, b = _ranks(a), _ranks(b)
    a, b = a - a.mean(), b - b.mean()
    norms = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norms if norms else math.nan


def analogy_score(vectors: WordTable, path) -> AnalogyScore:
    """Whether b - a + c is near d, as in Athens : Greece = Baghdad : Iraq.

    Mikolov et al. 2013, "Efficient estimation of word representations in vector space" (3CosAdd):
    the answer to a : b = c : ? is the word of the table whose vector has the largest cosine with
    b - a + c, of vectors of length 1, but for a, b and c themselves.

    Args:
        vectors: the table.
        path: of lines with four words, in sections that begin with lines ": name", as
            `questions-words.txt` has them. Words are looked for as they are, then in lower case.

    Raises:
        ValueError: the file is no such file; names the line.
        OSError: it cannot be read.
    """
    sections, questions = _read_questions(path)
    found = [[vectors.find(word) for word in words] for _, words in questions]
    covered = [i for i, numbers in enumerate(found) if None not in numbers]
    right = _solved(vectors, np.array([found[i] for i in covered], np.int64).reshape(-1, 4))
    counts = {name: [0, 0] for name in sections}
    for i, solved in zip(covered, right, strict=True):
        counts[questions[i][0]][0] += int(solved)
        counts[questions[i][0]][1] += 1
    counts = {name: tuple(both) for name, both in counts.items()}
    return AnalogyScore(int(np.sum(right)), len(covered), len(questions), counts)


def _similarity(vectors: WordTable, path: str) -> SimilarityScore:
    pairs = _read_pairs(path)
    found = [(vectors.find(a), vectors.find(b), rating) for a, b, rating in pairs]
    covered = [pair for pair in found if None not in pair]
    score = math.nan
    if covered:
        first, second, ratings = (np.array(column) for column in zip(*covered, strict=True))
        a, b = unit_rows(vectors.rows(first)), unit_rows(vectors.rows(second))
        score = spearman(np.sum(a * b, axis=1), ratings)
    return SimilarityScore(os.path.basename(path), score, len(covered), len(pairs))


def _ranks(values) -> np.ndarray:
    # From 1; `last` is the highest rank of each distinct value.
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse.ravel()]


def _solved(vectors: WordTable, questions: np.ndarray) -> np.ndarray:
    # Which questions [q, 4] are solved, bool [q].
    solved = np.zeros(len(questions), bool)
    for begin in range(0, len(questions), AT_ONCE):
        part = questions[begin : begin + AT_ONCE]
        a, b, c = (unit_rows(vectors.rows(part[:, i])) for i in range(3))
        answers, _ = nearest(vectors, b - a + c, 1, excluded=part[:, :3])
        found = (answers == part[:, 3:]) & ~(part[:, :3] == part[:, 3:]).any(axis=1, keepdims=True)
        solved[begin : begin + AT_ONCE] = found[:, 0]
    return solved


def _read_pairs(path: str) -> list[tuple[str, str, float]]:
    pairs = []
    for number, fields in _read_lines(path):
        try:
            first, second, rating = fields
            pairs.append((first, second, _rating(rating)))
        except ValueError:
            rule = "two words and a finite rating must stand in it"
            raise _line_error(path, number, rule) from None
    return pairs


def _rating(text: str) -> float:
    rating = float(text)  # which takes underscores and the digits of other scripts too
    if not math.isfinite(rating) or "_" in text or not text.isascii():
        raise ValueError
    return rating


def _read_questions(path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    # Names of the sections, and (section, four words) of the questions.
    sections, questions = [], []
    for number, fields in _read_lines(path):
        if fields[0].startswith(":"):
            sections.append(" ".join(fields).lstrip(": "))
        elif len(fields) != 4:
            raise _line_error(path, number, "four words must stand in it")
        else:
            if not sections:
                sections.append("")
            questions.append((sections[-1], fields))
    return sections, questions


def _read_lines(path) -> list[tuple[int, list[str]]]:
    # The numbers and fields of a UTF-8 file's lines, empty ones left out.
    with open(path, "rb") as file:
        lines = file.read().removeprefix(codecs.BOM_UTF8).splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            fields = line.decode("utf-8").split()
        except UnicodeDecodeError as error:
            raise _line_error(path, number, f"it is no UTF-8 ({error.reason})") from None
        if fields:
            found.append((number, fields))
    return found


def _line_error(path, number: int, message: str) -> ValueError:
    return ValueError(f"'{os.fsdecode(path)}', line {number}: {message}")
