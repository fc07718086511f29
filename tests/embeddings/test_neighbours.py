"""Nearest rows by cosine, against all cosines sorted."""

import numpy as np
import pytest

from bcq_tf.embeddings import neighbour_overlap
from bcq_tf.embeddings.evaluation import neighbours
from tests.embeddings.tables import KINDS, some_codes, some_matrix


def cosines_slowly(matrix, queries) -> np.ndarray:
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, matrix)]
    return unit[0] @ unit[1].T


@pytest.fixture(params=[None, 256], ids=["one block", "many blocks"])
def _blocks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", request.param)
        monkeypatch.setattr(neighbours, "AT_ONCE", 60)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", ["array", *KINDS])
@pytest.mark.parametrize("k", [1, 7, 60])
def test_nearest_is_all_cosines_sorted(kind, k):
    table = some_matrix() if kind == "array" else some_codes(kind)
    queries = some_matrix(9, seed=5)
    values = table if kind == "array" else table.reconstruct()
    expected = cosines_slowly(values, queries)
    numbers, cosines = neighbours.nearest(table, queries, k)
    assert numbers.shape == cosines.shape == (9, k)
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :k], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(expected, numbers, 1), cosines, rtol=1e-4, atol=1e-6
    )
    assert all(len(set(row)) == k for row in numbers.tolist())


@pytest.mark.usefixtures("_blocks")
def test_what_is_excluded_does_not_count():
    matrix = some_matrix()
    excluded = np.array([[i, (i + 7) % 60, 3] for i in range(60)])  # some of them twice the same
    numbers, cosines = neighbours.nearest(matrix, matrix, 4, excluded)
    expected = cosines_slowly(matrix, matrix)
    np.put_along_axis(expected, excluded, -2, 1)
    np.testing.assert_array_equal(numbers, np.argsort(-expected, axis=1)[:, :4])
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :4], rtol=1e-5)


def test_rows_of_zeros_are_near_to_nothing():
    matrix = np.float32([[1, 0], [0, 0], [-1, 0], [1, 1]])
    numbers, cosines = neighbours.nearest(matrix, np.float32([[2, 0]]), 4)
    assert numbers.tolist() == [[0, 3, 1, 2]]
    assert cosines[0].tolist() == pytest.approx([1, 0.5**0.5, 0, -1])


def overlap_slowly(a, b, k) -> float:
    shares = []
    for i in range(len(a)):
        kept = []
        for matrix in (a, b):
            cosines = cosines_slowly(matrix, matrix[i : i + 1])[0]
            cosines[i] = -2
            kept.append(set(np.argsort(-cosines)[:k].tolist()))
        shares.append(len(kept[0] & kept[1]) / k)
    return np.mean(shares)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", ["binary", "compositional"])  # without equal cosines
@pytest.mark.parametrize("k", [1, 10, 59])
def test_overlap_of_all_rows(kind, k):
    matrix, codes = some_matrix(), some_codes(kind)
    expected = overlap_slowly(matrix, codes.reconstruct(), k)
    assert neighbour_overlap(matrix, codes, k) == pytest.approx(expected)
    assert neighbour_overlap(matrix, matrix, k) == 1


def test_overlap_of_a_sample_depends_on_the_seed_alone():
    matrix, codes = some_matrix(400), some_codes("binary", 400)
    found = [neighbour_overlap(matrix, codes, sample=50, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert found[0] == pytest.approx(neighbour_overlap(matrix, codes), abs=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k` must be an integer from 1 to 2. Received: k=0"),
        ({"k": 3}, "`k` must be an integer from 1 to 2. Received: k=3"),
        ({"k": 1.5}, "`k` must be an integer from 1 to 2. Received: k=1.5"),
        ({"k": 1, "sample": 0}, "`sample` must be a positive integer. Received: sample=0"),
        ({"k": 1, "seed": -1}, "`seed` must be an integer from 0 upwards. Received: seed=-1"),
    ],
)
def test_what_it_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        neighbour_overlap(np.ones((3, 2)), np.ones((3, 2)), **options)


def test_one_row_has_no_neighbours():
    with pytest.raises(ValueError, match="`table` must have two rows at least. Received: 1"):
        neighbour_overlap(np.ones((1, 2)), np.ones((1, 2)))


@pytest.mark.parametrize("scale", [1e-38, 1e-25, 1e19, 1e38])
def test_cosines_do_not_depend_on_the_scale(scale):
    table = (some_matrix() / 8).astype(np.float32)
    queries, scaled = table[:5], table * np.float32(scale)
    expected, found = (neighbours.nearest(one, queries, 3) for one in (table, scaled))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-3)
