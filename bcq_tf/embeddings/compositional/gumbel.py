"""Compositional codes by `EmbeddingCompressor`, in one call."""

from __future__ import annotations

import os
import tempfile

import keras
import numpy as np

from bcq_tf.codes import CompositionalCodes
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.embeddings.compositional.compressor import EmbeddingCompressor
from bcq_tf.solvers.checks import check_matrix
from bcq_tf.solvers.compositional.codebook_dtype import stored_codebooks

BATCH = 64
TEMPERATURE, RATE = 0.5, 0.01  # these, with a cosine, reach a smaller distance than the paper's


def gumbel_codes(
    matrix, M: int, K: int, seed: int, epochs: int, dtype: str, verbose: bool
) -> CompositionalCodes:
    """Codes of a table [R, D] by a Gumbel-softmax autoencoder, whose rate falls along a cosine.

    Its best epoch is kept while it trains; to keep it longer, so that an interrupted training goes
    on, use `EmbeddingCompressor`. Arguments and errors as of `compress`.
    """
    matrix = check_matrix(matrix)
    # Rates suit numbers near 1. A power of two changes no digit.
    exponent = _exponent(matrix)
    scaled = np.ldexp(matrix, -exponent).astype(np.float32)
    steps = epochs * -(-len(matrix) // BATCH)
    with tempfile.TemporaryDirectory() as folder:
        compressor = EmbeddingCompressor(
            M,
            K,
            os.path.join(folder, "best"),
            temperature=TEMPERATURE,
            learning_rate=keras.optimizers.schedules.CosineDecay(RATE, max(1, steps)),
            batch_size=BATCH,
            epochs=epochs,
            seed=seed,
        )
        compressor.train(scaled, verbose="auto" if verbose else 0)
        codes = compressor.codes(scaled)
    codebooks = np.ldexp(codes.codebooks, exponent)
    return CompositionalCodes(codes.packed, stored_codebooks(codebooks, dtype, matrix))


def _exponent(matrix: np.ndarray) -> int:
    # Of the root mean square, in a way that neither under- nor overflows.
    largest = int(np.frexp(largest_magnitude(matrix))[1])
    squares = np.square(np.ldexp(matrix.astype(np.float64), -largest))
    return largest + int(np.frexp(np.sqrt(squares.mean()))[1])
