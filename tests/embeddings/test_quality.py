"""measure_quality: each figure is that of its own function."""

import math

import numpy as np
import pytest

from bcq_tf.embeddings import (
    CompressedVectors,
    WordVectors,
    analogy_score,
    distance,
    eigenspace_overlap,
    measure_quality,
    neighbour_overlap,
    similarity_scores,
)
from tests.embeddings.tables import KINDS, some_codes, some_matrix

WORDS = [f"w{i}" for i in range(60)]
VECTORS = WordVectors(WORDS, some_matrix())


@pytest.mark.parametrize("kind", KINDS)
def test_each_figure_is_that_of_its_function(kind, tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"w{i} w{i + 7} {i % 5}\n" for i in range(40)))
    (tmp_path / "q").write_text(": all\nw1 w2 w3 w4\n")
    table = CompressedVectors(WORDS, some_codes(kind))
    found = measure_quality(VECTORS, table, tmp_path, tmp_path / "q")
    assert (found.nbytes, found.bits_per_weight) == (table.nbytes, table.codes.bits_per_weight)
    moved = distance(VECTORS, table)
    assert (found.mean_distance, found.relative_error) == (moved.mean, moved.relative_error)
    assert found.eigenspace_overlap == eigenspace_overlap(VECTORS, table)
    assert found.neighbour_overlap == neighbour_overlap(VECTORS, table, 10)
    assert found.similarity == similarity_scores(table, tmp_path)
    assert found.mean_similarity == found.similarity[0].score
    assert found.analogies == analogy_score(table, tmp_path / "q")
    said = found.to_dict()
    assert said["similarity"][0]["covered"] == 40
    assert said["analogies"]["score"] == found.analogies.score


def test_without_tests_and_on_few_words():
    few = WordVectors(["a", "b", "c"], np.float32([[1, 2], [3, 4], [5, 7]]))
    found = measure_quality(few, few)
    assert (found.similarity, found.mean_similarity, found.analogies) == (None, None, None)
    assert (found.neighbour_overlap, found.mean_distance) == (1.0, 0.0)
    assert found.bits_per_weight == 32


def test_a_mean_of_no_set_is_nan(tmp_path):
    (tmp_path / "a.txt").write_text("x y 1\n")
    found = measure_quality(VECTORS, VECTORS, tmp_path)
    assert math.isnan(found.mean_similarity)


def test_the_words_must_be_the_same():
    others = WordVectors(WORDS[::-1], some_matrix())
    with pytest.raises(ValueError, match="`other` must have the words of `vectors` in order"):
        measure_quality(VECTORS, others)
