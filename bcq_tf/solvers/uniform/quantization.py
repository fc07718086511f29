"""`quantize_uniform`: a table to equally spaced levels within one clipping limit."""

from __future__ import annotations

import numpy as np

from bcq_tf.codes import UniformCodes, packing
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.config import check_bits, check_choice, check_integer
from bcq_tf.solvers.checks import check_matrix
from bcq_tf.solvers.spans import for_chunks
from bcq_tf.solvers.uniform.clipping import best_limit, histogram
from bcq_tf.solvers.uniform.known_levels import known_limit

ROUNDINGS = ("nearest", "stochastic")


def quantize_uniform(
    matrix, bits: int, rounding: str = "nearest", seed: int | None = None
) -> UniformCodes:
    """2^bits equally spaced levels from -limit to limit for a whole table of word vectors.

    As in May et al. 2019, "On the downstream performance of compressed word embeddings", the limit
    is the one of least squared error, found by golden-section search, and what exceeds it is
    clipped. With stochastic rounding the expected error is least. The tolerance is relative, so
    the table's scale does not matter.

    A table that has such levels already, which its values tell, within 1e-6 of the largest, keeps
    them with either rounding, bit for bit where they are the `levels` of some `UniformCodes`. Rows
    of zeros stay zero.

    Args:
        matrix: float [R, C], finite.
        bits: of a value, 1 to 8.
        rounding: "nearest", or "stochastic": to the level below or above, so that the expected
            value is the clipped one.
        seed: of stochastic rounding, an integer from 0 upwards; None for another result each time.

    Returns:
        `UniformCodes` of shape [R, C].

    Raises:
        ValueError, TypeError: an argument breaks its rule.
    """
    bits = check_bits(bits)
    check_choice("rounding", rounding, ROUNDINGS)
    if seed is not None:
        seed = check_integer("seed", seed, 0)
    matrix = _single(check_matrix(matrix))
    zero = ~matrix.any(axis=1)
    limit = known_limit(matrix, zero, bits)
    stochastic = rounding == "stochastic" and limit is None
    if limit is None:
        limit = best_limit(*histogram(matrix, zero), bits, stochastic)
        limit = min(limit, largest_magnitude(matrix))  # a bin's middle may be larger
    if stochastic and seed is None:
        seed = np.random.SeedSequence().entropy
    packed = _packed(matrix, zero, limit, bits, seed if stochastic else None)
    zero_rows = np.packbits(zero, bitorder="little") if zero.any() else None
    return UniformCodes(packed, float(limit), bits, matrix.shape[1], zero_rows)


def _single(matrix: np.ndarray) -> np.ndarray:
    # As float32.
    if matrix.dtype == np.float32:
        return matrix
    with np.errstate(over="ignore"):
        single = matrix.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError(
            "`matrix` must have magnitudes that float32 holds. "
            f"Received: up to {largest_magnitude(matrix):.6g}"
        )
    return single


def _packed(matrix, zero, limit: np.float32, bits: int, seed: int | None) -> np.ndarray:
    # The fields of the levels, packed; rounded stochastically where there is a seed. Rows of zeros
    # have the first positive level.
    rows, columns = matrix.shape
    packed = np.empty((rows, packing.bytes_per_row(columns, bits)), np.uint8)

    def work(chunk: slice) -> None:
        # Each chunk has numbers of its own, whichever thread takes it.
        rng = None if seed is None else np.random.default_rng((seed, chunk.start))
        fields = _fields(matrix[chunk], limit, bits, rng)
        fields[zero[chunk]] = 1 << (bits - 1)
        packed[chunk] = packing.pack_fields(fields, bits)

    for_chunks(rows, columns, 1, work)
    return packed


def _fields(values: np.ndarray, limit: np.float32, bits: int, rng) -> np.ndarray:
    last = (1 << bits) - 1
    # A quotient, as 1 / limit can overflow; the limit is 0 where all rows are zero.
    place = values / (limit or np.float32(1))
    np.clip(place, -1, 1, out=place)
    place += 1
    place *= np.float32(last / 2)
    if rng is None:
        return np.minimum(place + np.float32(0.5), last).astype(np.uint8)
    below = np.floor(place)
    return (below + (rng.random(place.shape, np.float32) < place - below)).astype(np.uint8)
