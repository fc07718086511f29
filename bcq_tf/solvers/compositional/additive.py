"""`additive_codes`: compositional codes of a table, without gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from bcq_tf.codes import CompositionalCodes
from bcq_tf.codes.coded_matrix import row_blocks
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.config import FLOAT_DTYPES, check_choice, check_integer
from bcq_tf.solvers.checks import check_matrix
from bcq_tf.solvers.compositional.codebooks import (
    check_sizes,
    fitted_codebooks,
    stored_codebooks,
)
from bcq_tf.solvers.compositional.index_search import improve_indexes, residuals
from bcq_tf.solvers.compositional.residual_start import residual_codes

FIRST_SHRINKAGE = 3.0
SHRINKAGE_FALLS = 1e-3  # by this factor until the last round, which has none


@dataclasses.dataclass(frozen=True, eq=False)
class Round:
    """The best that the rounds so far have reached."""

    indexes: np.ndarray  # uint16 [R, M]
    codebooks: np.ndarray  # float32 [M, K, D]
    squared_error: float  # mean over the rows
    distance: float  # mean over the rows of the Euclidean distance from their reconstruction


def additive_codes(
    matrix,
    M: int,
    K: int,
    seed: int = 0,
    rounds: int = 25,
    dtype: str = "float32",
    progress: Callable[[int, Round], None] | None = None,
) -> CompositionalCodes:
    """Each row as a sum of M vectors, one of K from each of M codebooks.

    Alternates between the codebooks of least squared error for the indexes, and a local search of
    the indexes for the codebooks (Martinez et al. 2018, "LSQ++: Lower running time and higher
    recall in multi-codebook quantization"), from residual quantization. Codebooks are shrunk, from
    round to round less: a vector that fits the rows that have chosen it too well keeps them. The
    best round counts. Takes time in proportion to R (D + M) M K rounds.

    Args:
        matrix: float [R, D], finite, at least M K rows.
        M: number of codebooks.
        K: vectors of a codebook, any number: an index takes ceil(log2 K) bits.
        seed: an integer from 0 upwards; the same seed gives the same codes.
        rounds: how often both are improved; more lower the error slowly.
        dtype: of the codebooks, "float32" or "float16".
        progress: called after each round, with its number from 1 and the best reached so far.

    Returns:
        `CompositionalCodes` of shape [R, D].

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    matrix = check_matrix(matrix)
    M, K = check_sizes(M, K, len(matrix))
    check_choice("dtype", dtype, FLOAT_DTYPES)
    seed, rounds = check_integer("seed", seed, 0), check_integer("rounds", rounds, 1)
    for number, reached in enumerate(_rounds(matrix, M, K, seed, rounds), 1):
        if progress is not None:
            progress(number, reached)
    return CompositionalCodes.of(
        reached.indexes, stored_codebooks(reached.codebooks, dtype, matrix)
    )


def _rounds(matrix, M: int, K: int, seed: int, rounds: int) -> Iterator[Round]:
    table, centre, exponent = _centred(matrix)
    indexes, codebooks = residual_codes(table, M, K, np.random.default_rng(seed))
    energy, _ = errors(table, indexes[:, :0], codebooks[:0])
    found = least = errors(table, indexes, codebooks)
    best = _round(indexes, codebooks, least, centre, exponent)
    for number in range(rounds):
        shrinkage = _shrinkage((number + 1) / rounds, unexplained=found[0] / (energy or 1))
        codebooks = fitted_codebooks(table, indexes, K, shrinkage)
        improve_indexes(table, indexes, codebooks, (seed, number))
        found = errors(table, indexes, codebooks)
        if found < least:
            least = found
            best = _round(indexes, codebooks, least, centre, exponent)
        yield best


def _round(indexes, codebooks, found, centre, exponent: int) -> Round:
    # Of the matrix itself.
    moved = codebooks.astype(np.float64)
    moved[0] += centre  # each row has one vector of this codebook
    return Round(
        indexes.astype(np.uint16),
        np.ldexp(moved, exponent).astype(np.float32),
        np.ldexp(found[0], 2 * exponent),
        np.ldexp(found[1], exponent),
    )


def _shrinkage(done: float, unexplained: float) -> float:
    # In proportion to the share of the squares that is not explained: what is left is as noise to
    # the vectors. Found by trial on tables of 2,251 x 300 and 20,000 x 50, 8 to 32 codebooks.
    return FIRST_SHRINKAGE * SHRINKAGE_FALLS**done * unexplained if done < 1 else 0.0


def _centred(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    # (the table float32 without its mean row, that row float64, e): the matrix is 2^e times the sum
    # of both. So squares stay far from the ends of float32, and no digits are lost to what all rows
    # have in common.
    exponent = int(np.frexp(largest_magnitude(matrix))[1])
    centre = np.zeros(matrix.shape[1])
    for rows in row_blocks(matrix.shape):
        centre += np.ldexp(matrix[rows].astype(np.float64), -exponent).sum(axis=0) / len(matrix)
    table = np.empty(matrix.shape, np.float32)
    for rows in row_blocks(matrix.shape):
        table[rows] = np.ldexp(matrix[rows].astype(np.float64), -exponent) - centre
    return table, centre, exponent


def errors(matrix: np.ndarray, indexes: np.ndarray, codebooks: np.ndarray) -> tuple[float, float]:
    """(mean squared error of the rows, mean Euclidean distance)."""
    squared = distance = 0.0
    for rows in row_blocks(matrix.shape):
        difference = residuals(matrix[rows], indexes[rows], codebooks)
        of_rows = np.einsum("nd,nd->n", difference, difference, dtype=np.float64)
        squared += of_rows.sum()
        distance += np.sqrt(of_rows).sum()
    return squared / len(matrix), distance / len(matrix)
