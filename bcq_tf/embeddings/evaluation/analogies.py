"""Analogies: is b - a + c near d, as in Athens : Greece = Baghdad : Iraq?"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from bcq_tf.embeddings.evaluation.neighbours import nearest, unit_rows
from bcq_tf.embeddings.evaluation.word_lines import line_error, read_lines
from bcq_tf.embeddings.word_table import WordTable

AT_ONCE = 1 << 14  # questions


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


def analogy_score(vectors: WordTable, path) -> AnalogyScore:
    """Answers the questions of a file by 3CosAdd over all words of the table.

    Mikolov et al. 2013, "Efficient estimation of word representations in vector space": the answer
    to a : b = c : ? is the word whose vector has the largest cosine with b - a + c, of vectors of
    length 1, but for a, b and c themselves.

    Args:
        vectors: the table.
        path: of lines with four words, in sections that begin with lines ": name", as
            `questions-words.txt` has them. Words are looked for as they are, then in lower case.

    Raises:
        ValueError: the file is no such file; names the line.
        OSError: it cannot be read.
    """
    sections, questions = _read(path)
    found = [[vectors.find(word) for word in words] for _, words in questions]
    covered = [i for i, numbers in enumerate(found) if None not in numbers]
    right = _solved(vectors, np.array([found[i] for i in covered], np.int64).reshape(-1, 4))
    counts = {name: [0, 0] for name in sections}
    for i, solved in zip(covered, right, strict=True):
        counts[questions[i][0]][0] += int(solved)
        counts[questions[i][0]][1] += 1
    return AnalogyScore(
        int(np.sum(right)),
        len(covered),
        len(questions),
        {name: (correct, seen) for name, (correct, seen) in counts.items()},
    )


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


def _read(path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    # Names of the sections, and (section, four words) of the questions.
    sections, questions = [], []
    for number, fields in read_lines(path):
        if fields[0].startswith(":"):
            sections.append(" ".join(fields).lstrip(": "))
        elif len(fields) != 4:
            raise line_error(path, number, "four words must stand in it")
        else:
            if not sections:
                sections.append("")
            questions.append((sections[-1], fields))
    return sections, questions
