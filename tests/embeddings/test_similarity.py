"""Word similarity: rank correlation as defined, and files of pairs."""

import math

import numpy as np
import pytest

from bcq_tf.embeddings import SimilarityScore, WordVectors, similarity_scores
from bcq_tf.embeddings.evaluation.word_tests import mean_score, spearman


def ranks_slowly(values) -> list[float]:
    """1 + how many are less + half of how many others are equal."""
    return [1 + sum(w < v for w in values) + (sum(w == v for w in values) - 1) / 2 for v in values]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("different", [3, 10, 10**9])
def test_spearman_is_the_correlation_of_mean_ranks(seed, different):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, different, (2, 40))
    expected = np.corrcoef(ranks_slowly(a), ranks_slowly(b))[0, 1]
    assert spearman(a, b) == pytest.approx(expected)


def test_spearman_of_known_cases():
    assert spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # The IQ and hours of television of the textbooks' ten people.
    iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    assert spearman(iq, hours) == pytest.approx(-29 / 165)
    assert math.isnan(spearman([1, 1], [1, 2]))
    assert math.isnan(spearman([1], [1]))


VECTORS = WordVectors(
    ["cat", "dog", "car", "Paris", "nothing"],
    np.float32([[1, 0], [0.9, 0.1], [0, 1], [-1, 0.2], [0, 0]]),
)


def test_a_folder_of_sets(tmp_path):
    (tmp_path / "b.txt").write_text("cat dog 9\nCat\tcar\t3\ncat Paris 1\ncat horse 8\n\n")
    (tmp_path / "a.txt").write_text("horse mule 5\n")
    (tmp_path / "readme.md").write_text("no set")
    a, b = similarity_scores(VECTORS, tmp_path)
    assert (a.name, a.covered, a.pairs) == ("a.txt", 0, 1)
    assert math.isnan(a.score)
    assert b == SimilarityScore("b.txt", pytest.approx(1), 3, 4)
    assert similarity_scores(VECTORS, tmp_path / "b.txt") == (b,)


def test_the_mean_is_of_sets_with_enough_pairs():
    scores = [(0.5, 20), (0.7, 400), (-1.0, 19), (math.nan, 50)]
    made = tuple(SimilarityScore("", score, covered, covered) for score, covered in scores)
    assert mean_score(made) == pytest.approx(0.6)
    assert math.isnan(mean_score(made[2:]))


@pytest.mark.parametrize(
    "line", ["cat dog", "cat dog x", "cat dog 1 2", "cat dog nan", "cat dog -inf", "cat dog 1_0",
             "cat dog ١"]
)  # fmt: skip
def test_damaged_sets(tmp_path, line):
    (tmp_path / "a.txt").write_text(f"cat dog 1\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match=r"a.txt', line 2: two words and a finite rating must"):
        similarity_scores(VECTORS, tmp_path)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_sets_as_various_editors_save_them(tmp_path, start, line_end):
    (tmp_path / "a.txt").write_bytes(start + line_end.join([b"cat dog 2", b"", b"cat car 1"]))
    (score,) = similarity_scores(VECTORS, tmp_path)
    assert (score.covered, score.pairs) == (2, 2)


def test_what_is_no_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"cat dog 1\ncaf\xe9 dog 2\n")
    with pytest.raises(ValueError, match=r"a.txt', line 2: it is no UTF-8 \(invalid"):
        similarity_scores(VECTORS, tmp_path)


def test_a_folder_without_sets_and_a_set_that_is_missing(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a folder with .txt files. Received"):
        similarity_scores(VECTORS, tmp_path)
    with pytest.raises(FileNotFoundError):
        similarity_scores(VECTORS, tmp_path / "b.txt")
