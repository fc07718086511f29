"""Word similarity: do cosines of vectors rank pairs of words as people do?"""

from __future__ import annotations

import dataclasses
import math
import os

import numpy as np

from bcq_tf.embeddings.evaluation.neighbours import unit_rows
from bcq_tf.embeddings.evaluation.word_lines import line_error, read_lines
from bcq_tf.embeddings.word_table import WordTable

FEWEST_PAIRS = 20  # of a set that counts in the mean


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


def similarity_scores(vectors: WordTable, path) -> tuple[SimilarityScore, ...]:
    """Scores of the sets in a folder (its `.txt` files), or of one file.

    A set is UTF-8 with a pair of words and a rating, a finite number, in each line, white space
    between them; empty lines do not count. Words are looked for as they are, then in lower case;
    pairs with a word that is missing are left out.

    Raises:
        ValueError: a file is no such set, or the folder has none; names the line.
        OSError: a file cannot be read.
    """
    path = os.fsdecode(path)
    if not os.path.isdir(path):
        return (_score(vectors, path),)
    names = sorted(name for name in os.listdir(path) if name.endswith(".txt"))
    if not names:
        raise ValueError(f"`path` must be a folder with .txt files. Received: '{path}'")
    return tuple(_score(vectors, os.path.join(path, name)) for name in names)


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


def _ranks(values) -> np.ndarray:
    # From 1; `last` is the highest rank of each distinct value.
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse.ravel()]


def _score(vectors: WordTable, path: str) -> SimilarityScore:
    pairs = _read(path)
    found = [(vectors.find(a), vectors.find(b), rating) for a, b, rating in pairs]
    covered = [pair for pair in found if pair[0] is not None and pair[1] is not None]
    score = math.nan
    if covered:
        first, second, ratings = (np.array(column) for column in zip(*covered, strict=True))
        a, b = unit_rows(vectors.rows(first)), unit_rows(vectors.rows(second))
        score = spearman(np.sum(a * b, axis=1), ratings)
    return SimilarityScore(os.path.basename(path), score, len(covered), len(pairs))


def _read(path: str) -> list[tuple[str, str, float]]:
    pairs = []
    for number, fields in read_lines(path):
        try:
            first, second, rating = fields
            pairs.append((first, second, _rating(rating)))
        except ValueError:
            rule = "two words and a finite rating must stand in it"
            raise line_error(path, number, rule) from None
    return pairs


def _rating(text: str) -> float:
    rating = float(text)  # which takes underscores and the digits of other scripts too
    if not math.isfinite(rating) or "_" in text or not text.isascii():
        raise ValueError
    return rating
