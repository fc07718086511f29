"""Tables that several tests of embeddings read."""

import numpy as np

import bcq_tf
from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings import quantize_uniform

KINDS = ("binary", "ragged", "uniform", "compositional")


def some_matrix(rows=60, columns=12, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, columns)) + 0.3).astype(np.float32)


def some_codes(kind: str, rows=60, columns=12, seed=0):
    """Codes [rows, columns] of some kind that are near `some_matrix`, where that is easy."""
    matrix = some_matrix(rows, columns, seed)
    if kind == "uniform":
        return quantize_uniform(matrix, 3)
    if kind == "compositional":
        rng = np.random.default_rng(seed)
        codebooks = rng.standard_normal((5, 6, columns)).astype(np.float32)
        return CompositionalCodes.of(rng.integers(0, 6, (rows, 5)), codebooks)
    codes = bcq_tf.quantize(matrix, 2)
    if kind == "binary":
        return codes
    order = np.random.default_rng(seed).permutation(rows)
    fewer = rows // 2
    return bcq_tf.BinaryCodes(
        (codes.planes[0][order], codes.planes[1][order[:fewer]]),
        (codes.scales[0][order], codes.scales[1][order[:fewer]]),
        columns,
        row_order=order,
    )
