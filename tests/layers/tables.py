"""Tables of words, their codes and ids, for the tests of embedding layers."""

import numpy as np

from bcq_tf.codes import CompositionalCodes

ROWS, COLUMNS = 90, 12
IDS = np.random.default_rng(0).integers(0, ROWS, (5, 7)).astype("int32")
SIZES = [(1, 2), (1, 1), (3, 5), (8, 16), (4, 300), (5, 256)]  # M, K


def random_table(seed=0, rows=ROWS, zeros=()):
    """Random rows, those in `zeros` of zeros."""
    matrix = np.random.default_rng(seed).normal(size=(rows, COLUMNS)).astype("float32")
    matrix[list(zeros)] = 0
    return matrix


def random_codes(M=8, K=16, seed=0, rows=ROWS, dtype="float32"):
    """Random CompositionalCodes."""
    rng = np.random.default_rng(seed)
    codebooks = rng.normal(size=(M, K, COLUMNS)).astype(dtype)
    return CompositionalCodes.of(rng.integers(0, K, (rows, M)), codebooks)
