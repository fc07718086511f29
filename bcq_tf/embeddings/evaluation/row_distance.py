"""How far the rows of a table are from those of the table that it stands for."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.embeddings.table_blocks import as_table, blocks_of, check_same_shape, rows_of


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far rows w~ are from rows w.

    Args:
        mean: of the Euclidean distances |w - w~|, which nncompress reports.
        relative_error: sum |w - w~|^2 / sum |w|^2; 0 where both sums are.
    """

    mean: float
    relative_error: float


def distance(table, other) -> Distance:
    """The distance of `other` from `table`, which are read in parts.

    Args:
        table: [n, d], an array, codes or word vectors.
        other: [n, d], of the same rows.

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    table, other = as_table("table", table), as_table("other", other)
    check_same_shape(table, other)
    total = error = energy = 0.0
    for rows, block in blocks_of(other):
        wanted = rows_of(table, rows).astype(np.float64)
        squares = np.sum((wanted - block) ** 2, axis=1)
        total += float(np.sum(np.sqrt(squares)))
        error += float(np.sum(squares))
        energy += float(np.sum(wanted**2))
    if not np.isfinite(total):
        raise ValueError("`table` and `other` must be finite. Received: NaN or Inf")
    relative = (error / energy if energy else np.inf) if error else 0.0
    return Distance(total / table.shape[0], relative)
