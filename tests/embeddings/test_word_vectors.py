"""WordVectors: words beside rows, and what it refuses."""

import numpy as np
import pytest

from bcq_tf.embeddings import UnknownWordError, WordVectors

MATRIX = np.arange(6, dtype=np.float32).reshape(3, 2)
VECTORS = WordVectors(["queen", "king", "Paris"], MATRIX)


def test_words_and_rows():
    assert VECTORS.words == ("queen", "king", "Paris")
    assert (len(VECTORS), VECTORS.shape, VECTORS.nbytes) == (3, (3, 2), 24)
    assert VECTORS.vector("king").tolist() == [2, 3]
    assert VECTORS.number("Paris") == 2
    assert list(VECTORS) == ["queen", "king", "Paris"]
    assert "king" in VECTORS
    assert "emperor" not in VECTORS
    assert VECTORS.rows([2, 0]).tolist() == [[4, 5], [0, 1]]
    np.testing.assert_array_equal(np.vstack([block for _, block in VECTORS.blocks()]), MATRIX)


def test_find_falls_back_to_lower_case():
    assert [VECTORS.find(word) for word in ("Queen", "Paris", "paris", "x")] == [0, 2, None, None]


def test_the_matrix_is_kept_without_a_copy_and_read_only():
    assert np.shares_memory(VECTORS.matrix, MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        VECTORS.matrix[0, 0] = 1


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_float32(dtype):
    assert WordVectors(VECTORS.words, MATRIX.astype(dtype)).matrix.dtype == np.float32


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("Quen", "`word` must be one of 3 words. Received: 'Quen'. Similar: 'queen'"),
        ("pariss", "`word` must be one of 3 words. Received: 'pariss'. Similar: 'Paris'"),
        ("zebra", "`word` must be one of 3 words. Received: 'zebra'"),
        ("", "`word` must be one of 3 words. Received: ''"),
        (5, "`word` must be one of 3 words. Received: 5"),
        ([], "`word` must be one of 3 words. Received: []"),
    ],
)
def test_an_unknown_word_is_a_key_error_that_names_similar_ones(word, message):
    with pytest.raises(UnknownWordError) as raised:
        VECTORS.vector(word)
    assert isinstance(raised.value, KeyError)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("words", "matrix", "error", "message"),
    [
        (["a"], MATRIX, ValueError, "`words` must be as many as the vectors, 3. Received: 1 words"),
        (["a", "b", "a"], MATRIX, ValueError, "`words` must differ. Received: 'a' more than once"),
        (["a", "", "c"], MATRIX, ValueError, "`words` must not be empty. Received: ''"),
        (["a", 1, "c"], MATRIX, TypeError, "`words` must be strings. Received: 1"),
        ([["a"], "b", "c"], MATRIX, TypeError, r"`words` must be strings. Received: \['a'\]"),
        (3, MATRIX, TypeError, "`words` must be strings. Received: int"),
        (["a", "\ud800", "c"], MATRIX, ValueError,
         r"`words` must be text that UTF-8 can hold. Received: '\\ud800'"),
        ([], MATRIX[:0], ValueError, "`words` must be one at least. Received: none"),
        (["a"], MATRIX[0], ValueError, r"`matrix` must be \[words, D\]. Received: \[2\]"),
        (["a"], MATRIX[:1, :0], ValueError, r"`matrix` must be \[words, D\]. Received: \[1, 0\]"),
        (["a"], [[1]], TypeError, "`matrix` must be of floating dtype. Received: int64"),
        (["a", "b"], [[1.0, 2.0], [3.0]], ValueError,
         r"`matrix` must be \[words, D\]. Received: rows of different lengths"),
        (["a"], [[np.inf]], ValueError, "`matrix` must be finite in float32. Received: NaN or Inf"),
        (["a"], [[1e300]], ValueError, "`matrix` must be finite in float32. Received: NaN or Inf"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_what_it_refuses(words, matrix, error, message):
    with pytest.raises(error, match=message):
        WordVectors(words, matrix)
