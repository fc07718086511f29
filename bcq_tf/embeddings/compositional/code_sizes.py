"""The rules for the sizes of compositional codes."""

from __future__ import annotations

import numbers

from bcq_tf.compositional_codes import MOST_ENTRIES

MOST_VECTORS = 1 << 13  # of all codebooks, as their least squares takes this cubed


def check_sizes(M, K, rows: int | None = None) -> None:
    """Raises ValueError unless M codebooks of K vectors can be made, for a table of `rows` rows."""
    for name, value, most in (("M", M, MOST_VECTORS), ("K", K, MOST_ENTRIES)):
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not (whole and 1 <= value <= most):
            raise ValueError(
                f"`{name}` must be an integer from 1 to {most}. Received: {name}={value!r}"
            )
    if M * K > MOST_VECTORS:
        raise ValueError(f"`M` times `K` must be at most {MOST_VECTORS}. Received: M={M}, K={K}")
    if rows is not None and rows < M * K:
        raise ValueError(
            f"`M` times `K` must be at most the {rows} rows of `matrix`, or the codebooks would be "
            f"larger than it. Received: M={M}, K={K}"
        )
