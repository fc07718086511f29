"""The eigenspace overlap score, against its definition by singular value decompositions."""

import numpy as np
import pytest

from bcq_tf.embeddings import WordVectors, eigenspace_overlap
from tests.embeddings.tables import KINDS, some_codes, some_matrix


def by_decomposition(a: np.ndarray, b: np.ndarray) -> float:
    """||U^T U~||_F^2 / max(d, k)."""
    bases = []
    for matrix in (a, b):
        u, s, _ = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
        bases.append(u[:, s > 1e-6 * s[0]])
    return np.sum((bases[0].T @ bases[1]) ** 2) / max(a.shape[1], b.shape[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "columns"), [(60, 12), (8, 12), (200, 30)])
def test_it_is_the_definition(kind, rows, columns, monkeypatch):
    monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", 1000)  # several parts
    matrix, codes = some_matrix(rows, columns), some_codes(kind, rows, columns)
    expected = by_decomposition(matrix, codes.reconstruct())
    assert eigenspace_overlap(matrix, codes) == pytest.approx(expected, rel=1e-5)
    words = WordVectors(map(str, range(rows)), matrix)
    assert eigenspace_overlap(words, codes) == eigenspace_overlap(matrix, codes)


def test_a_table_covers_itself_and_every_change_of_its_basis():
    matrix = some_matrix()
    turned = matrix @ np.random.default_rng(1).standard_normal((12, 12))
    assert eigenspace_overlap(matrix, matrix) == pytest.approx(1)
    assert eigenspace_overlap(matrix, turned) == pytest.approx(1)
    assert eigenspace_overlap(1e-6 * matrix, 1e6 * matrix) == pytest.approx(1)


def test_tables_of_different_widths_and_orthogonal_ones():
    matrix = some_matrix()
    assert eigenspace_overlap(matrix, matrix[:, :3]) == pytest.approx(3 / 12)
    eye = np.eye(6)
    assert eigenspace_overlap(eye[:, :3], eye[:, 3:]) == 0
    assert eigenspace_overlap(eye[:, :4], eye[:, 2:]) == pytest.approx(2 / 4)


def test_columns_that_depend_on_others_count_once():
    matrix = some_matrix()
    doubled = np.hstack([matrix, matrix])
    expected = by_decomposition(doubled, matrix)
    assert expected == pytest.approx(0.5)
    assert eigenspace_overlap(doubled, matrix) == pytest.approx(expected)
    assert eigenspace_overlap(matrix, np.zeros((60, 12))) == 0


def test_tables_must_have_the_same_rows():
    with pytest.raises(ValueError, match=r"`other` must have the 3 rows of `table`. Received: \[4"):
        eigenspace_overlap(np.ones((3, 2)), np.ones((4, 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tables_must_be_finite(value):
    wrong = np.full((60, 12), value)
    with pytest.raises(ValueError, match="must be finite. Received: NaN or Inf"):
        eigenspace_overlap(some_matrix(), wrong)
