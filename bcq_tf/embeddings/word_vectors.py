"""`WordVectors`: words and their vectors as floats."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bcq_tf.codes.coded_matrix import check_ids, row_blocks
from bcq_tf.codes.declaration import frozen
from bcq_tf.embeddings.word_table import WordTable


class WordVectors(WordTable):
    """Words and their vectors. A value: the matrix is a read-only view.

    Args:
        words: n different strings.
        matrix: floats [n, D], finite in float32; kept as that, without a copy where they are.

    Raises:
        ValueError, TypeError: the parts do not fit together.

    Example:
        >>> matrix = [[1, 0.2], [1, 0.3], [0, 1]]
        >>> vectors = bcq_tf.embeddings.WordVectors(["cat", "dog", "car"], matrix)
        >>> vectors.vector("dog"), vectors.neighbours("cat", 1)
        (array([1. , 0.3], dtype=float32), [('dog', 0.9955794811248779)])
    """

    def __init__(self, words: Iterable[str], matrix):
        matrix = _as_array(matrix)
        if matrix.ndim != 2 or matrix.shape[1] == 0:
            raise ValueError(f"`matrix` must be [words, D]. Received: {list(matrix.shape)}")
        if not np.issubdtype(matrix.dtype, np.floating):
            raise TypeError(f"`matrix` must be of floating dtype. Received: {matrix.dtype}")
        super().__init__(words, matrix.shape)
        with np.errstate(over="ignore"):  # to Inf, which is refused
            self.matrix = frozen(matrix.astype(np.float32, copy=False))
        if not all(np.isfinite(self.matrix[rows]).all() for rows in row_blocks(self.shape)):
            raise ValueError("`matrix` must be finite in float32. Received: NaN or Inf")

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return self.matrix.nbytes

    def rows(self, ids) -> np.ndarray:
        """See `WordTable.rows`."""
        return self.matrix[check_ids(ids, len(self))]

    def __repr__(self) -> str:
        return f"WordVectors({list(self.shape)})"


def _as_array(matrix) -> np.ndarray:
    try:
        return np.asarray(matrix)
    except ValueError:
        raise ValueError(
            "`matrix` must be [words, D]. Received: rows of different lengths"
        ) from None
