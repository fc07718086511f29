"""The rules for the sizes of compositional codes."""

from __future__ import annotations

from bcq_tf.codes.compositional import MOST_ENTRIES
from bcq_tf.config import check_integer

MOST_VECTORS = 1 << 13  # of all codebooks, as their least squares takes this cubed


def check_sizes(M, K, rows: int | None = None) -> tuple[int, int]:
    """(M, K) as ints; raises ValueError unless M codebooks of K vectors can be made.

    rows: of the table, where it is known.
    """
    M, K = check_integer("M", M, 1, MOST_VECTORS), check_integer("K", K, 1, MOST_ENTRIES)
    if M * K > MOST_VECTORS:
        raise ValueError(f"`M` times `K` must be at most {MOST_VECTORS}. Received: M={M}, K={K}")
    if rows is not None and rows < M * K:
        raise ValueError(
            f"`M` times `K` must be at most the {rows} rows of `matrix`, or the codebooks would be "
            f"larger than it. Received: M={M}, K={K}"
        )
    return M, K
