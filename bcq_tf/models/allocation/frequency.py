"""`bits_by_frequency`: bits of a table's rows by how often each word occurs."""

from __future__ import annotations

import numpy as np

from bcq_tf.config import check_bits, check_positive


def bits_by_frequency(counts, bits: tuple[int, ...] = (4, 3, 2, 1), ratio: float = 2.0) -> str:
    """More bits for frequent words, by clusters of a fixed ratio of sizes (Chung and Kim 2020).

    The cluster that is i-th by frequency has `ratio` times the rows of the one before it. It looks
    at no loss; `bcq_tf.allocate` does.

    Args:
        counts: how often each of the R rows is looked up, non-negative [R].
        bits: of the clusters, the most frequent first.
        ratio: of the sizes of clusters, r in the paper: with 4 clusters 1 gives 2.5 bits on
            average, 2 gives 1.73, 4 gives 1.32.

    Returns:
        The `row_bits` of a `BCQConfig`, a digit a row. Rows of equal counts keep their order.

    Raises:
        ValueError, TypeError: an argument breaks its rule.

    Example:
        >>> row_bits = bcq_tf.bits_by_frequency([9, 0, 5, 1, 0, 3, 0], bits=(3, 2, 1))
        >>> row_bits
        '3121121'
        >>> config = bcq_tf.BCQConfig(row_bits=row_bits)  # of a rule for the table
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 1 or not counts.size or not (counts >= 0).all():
        raise ValueError(
            "`counts` must be non-negative numbers [R]. "
            f"Received: shape={list(counts.shape)}, least {counts.min() if counts.size else None}"
        )
    check_positive("ratio", ratio)
    bits = [check_bits(b) for b in bits]
    if not bits:
        raise ValueError("`bits` must be of one cluster at least. Received: none")
    shares = float(ratio) ** np.arange(len(bits))
    ends = np.round(np.cumsum(shares / shares.sum()) * len(counts))
    cluster = np.searchsorted(ends, np.arange(len(counts)), side="right").clip(max=len(bits) - 1)
    row_bits = np.empty(len(counts), np.int64)
    row_bits[np.argsort(-counts, kind="stable")] = np.array(bits)[cluster]
    return "".join(map(str, row_bits))
