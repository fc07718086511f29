"""Analogies by 3CosAdd, against a loop over all words."""

import numpy as np
import pytest

from bcq_tf.embeddings import AnalogyScore, CompressedVectors, WordVectors, analogy_score
from bcq_tf.embeddings.evaluation import word_tests
from tests.embeddings.tables import some_codes, some_matrix

# king - man + woman: the queen is nearest once the three words of the question do not count.
ROYAL = WordVectors(
    ["man", "woman", "king", "queen", "apple"],
    np.float32([[1, 0.1, 0], [1, -0.6, 0], [1, 0.1, 0.8], [1, -0.5, 0.5], [-1, 0, 0.3]]),
)
QUESTIONS = """: family
man king woman queen
woman queen man apple
: fruit and more
MAN king Woman queen
man king woman horse
"""


def answer_slowly(words, matrix, a, b, c) -> str:
    unit = dict(zip(words, matrix / np.linalg.norm(matrix, axis=1, keepdims=True), strict=True))
    wanted = unit[b] - unit[a] + unit[c]
    return max((word for word in words if word not in (a, b, c)), key=lambda w: unit[w] @ wanted)


def test_sections_and_coverage(tmp_path):
    (tmp_path / "q.txt").write_text(QUESTIONS)
    found = analogy_score(ROYAL, tmp_path / "q.txt")
    sections = {"family": (1, 2), "fruit and more": (1, 1)}
    assert found == AnalogyScore(correct=2, covered=3, questions=4, sections=sections)
    assert found.score == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", ["array", "binary", "uniform", "compositional"])
def test_each_question_is_answered_over_all_words(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", 200)
    monkeypatch.setattr(word_tests, "AT_ONCE", 7)
    words = [f"w{i}" for i in range(60)]
    matrix = some_matrix() if kind == "array" else some_codes(kind).reconstruct()
    rng = np.random.default_rng(3)
    asked = [[words[i] for i in rng.choice(60, 4, replace=False)] for _ in range(300)]
    answers = [answer_slowly(words, matrix, *question[:3]) for question in asked]
    for question, answer in zip(asked[:150], answers, strict=False):
        question[3] = answer
    (tmp_path / "q.txt").write_text("\n".join(map(" ".join, asked)))
    expected = sum(q[3] == answer for q, answer in zip(asked, answers, strict=True))
    if kind == "array":
        vectors = WordVectors(words, matrix)
    else:
        vectors = CompressedVectors(words, some_codes(kind))
    assert analogy_score(vectors, tmp_path / "q.txt").correct == expected
    assert expected >= 150


@pytest.mark.parametrize("line", ["man king woman", "man king woman queen apple"])
def test_damaged_questions(tmp_path, line):
    (tmp_path / "q.txt").write_text(f": family\n{line}\n")
    with pytest.raises(ValueError, match=r"q.txt', line 2: four words must stand in it"):
        analogy_score(ROYAL, tmp_path / "q.txt")


def test_nothing_covered(tmp_path):
    (tmp_path / "q.txt").write_text(": family\nlord lady sir madam\n")
    found = analogy_score(ROYAL, tmp_path / "q.txt")
    assert (found.correct, found.covered, found.questions) == (0, 0, 1)
    assert np.isnan(found.score)


def test_a_word_of_the_question_is_no_answer(tmp_path):
    (tmp_path / "q").write_text("man king woman man\nman king woman king\nman king woman woman\n")
    few = WordVectors(ROYAL.words[:3], ROYAL.matrix[:3])
    assert analogy_score(few, tmp_path / "q").correct == 0
