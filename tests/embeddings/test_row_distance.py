"""The distance of a table from another, against one line of NumPy each."""

import numpy as np
import pytest

from bcq_tf.embeddings import Distance, WordVectors, distance
from tests.embeddings.tables import KINDS, some_codes, some_matrix


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "columns"), [(60, 12), (1, 1), (200, 30)])
def test_it_is_the_formula(kind, rows, columns, monkeypatch):
    monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", 1000)  # several parts
    matrix, codes = some_matrix(rows, columns), some_codes(kind, rows, columns)
    difference = matrix.astype(np.float64) - codes.reconstruct()
    found = distance(matrix, codes)
    assert found.mean == pytest.approx(np.linalg.norm(difference, axis=1).mean())
    assert found.relative_error == pytest.approx(np.sum(difference**2) / np.sum(matrix**2.0))
    words = WordVectors(map(str, range(rows)), matrix)
    assert distance(words, codes) == found


def test_tables_of_zeros():
    zeros, ones = np.zeros((2, 4)), np.ones((2, 4))
    assert distance(zeros, zeros) == Distance(0.0, 0.0)
    assert distance(ones, ones) == Distance(0.0, 0.0)
    assert distance(ones, zeros) == Distance(2.0, 1.0)
    assert distance(zeros, ones) == Distance(2.0, np.inf)


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (np.ones((3, 5)), ValueError, r"`other` must be of the shape of `table`, \[3, 4\]. Rec"),
        (np.full((3, 4), np.nan), ValueError, "must be finite. Received: NaN or Inf"),
        (np.ones(3), ValueError, r"`other` must be a table \[n, D\]. Received: \[3\]"),
        (np.ones((3, 4), int), TypeError, "`other` must be of floating dtype. Received: int64"),
    ],
)
def test_what_it_refuses(other, error, message):
    with pytest.raises(error, match=message):
        distance(np.ones((3, 4)), other)
