"""`compress`: a table of word vectors to codes, by any method."""

from __future__ import annotations

import sys

from bcq_tf.codes.compositional import index_bits
from bcq_tf.codes.packing import bytes_per_row
from bcq_tf.config import check_bits, check_choice, check_integer
from bcq_tf.solvers import quantize
from bcq_tf.solvers.compositional.additive import additive_codes
from bcq_tf.solvers.compositional.codebooks import MOST_VECTORS, check_sizes
from bcq_tf.solvers.uniform.quantization import quantize_uniform

METHODS = ("uniform", "binary", "compositional")
TRAINERS = ("additive", "gumbel")
DTYPES = {"float16": 2, "float32": 4}  # bytes


def compress(
    matrix,
    method: str = "uniform",
    bits: int | None = None,
    M: int | None = None,
    K: int | None = None,
    trainer: str = "additive",
    seed: int = 0,
    dtype: str = "float16",
    epochs: int = 200,
    verbose: bool = False,
):
    """Codes of a table of word vectors.

    Args:
        matrix: float [n, D], finite.
        method: "uniform" (`quantize_uniform`, one clipping limit for the table), "binary"
            (`bcq_tf.quantize`, the alternating solver) or "compositional" (rows as sums of
            vectors from codebooks).
        bits: of a value, 1 to 8, with "uniform" and "binary".
        M: codebooks, with "compositional".
        K: vectors of a codebook, with "compositional".
        trainer: of compositional codes: "additive" (`additive_codes`, no gradients) or "gumbel"
            (`EmbeddingCompressor`, a Gumbel-softmax autoencoder, which needs TensorFlow and time).
        seed: of compositional codes.
        dtype: of the scales of binary codes and of codebooks, "float16" or "float32".
        epochs: of the "gumbel" trainer.
        verbose: whether trainers show their progress, on stderr, or as Keras does.

    Returns:
        `UniformCodes`, `BinaryCodes` or `CompositionalCodes` of shape [n, D].

    Raises:
        ValueError, TypeError: an argument breaks its rule.

    Example:
        >>> matrix = np.random.default_rng(0).normal(size=(1000, 50)).astype("float32")
        >>> bcq_tf.embeddings.compress(matrix, "uniform", bits=2)
        UniformCodes([1000, 50], bits=2, limit=1.49374, 13004 bytes, 2.08 bits per weight)
    """
    check_settings(method, bits, M, K, trainer, seed, epochs)
    check_choice("dtype", dtype, tuple(DTYPES))
    if method == "uniform":
        return quantize_uniform(matrix, bits)
    if method == "binary":
        return quantize(matrix, bits, scale_dtype=dtype)
    if trainer == "additive":
        progress = _show_round if verbose else None
        return additive_codes(matrix, M, K, seed=seed, dtype=dtype, progress=progress)
    from bcq_tf.embeddings.compositional.compressor import gumbel_codes

    return gumbel_codes(matrix, M, K, seed, epochs, dtype, verbose)


def check_settings(
    method: str, bits=None, M=None, K=None, trainer: str = "additive", seed=0, epochs=1
) -> None:
    """Raises ValueError unless a method has the settings that are its own, no others, in range."""
    check_choice("method", method, METHODS)
    check_choice("trainer", trainer, TRAINERS)
    settings = {"bits": bits, "M": M, "K": K}
    wanted = ("M", "K") if method == "compositional" else ("bits",)
    for name, value in settings.items():
        if name in wanted and value is None:
            raise ValueError(f"`{name}` must be given with method '{method}'. Received: None")
        if name not in wanted and value is not None:
            raise ValueError(
                f"`{name}` must be None with method '{method}'. Received: {name}={value}"
            )
    if method == "compositional":
        check_sizes(M, K)
    else:
        check_bits(bits)
    check_integer("seed", seed, 0)
    check_integer("epochs", epochs, 1)


def _show_round(number: int, reached) -> None:
    print(f"round {number}: mean distance {reached.distance:.4f}", file=sys.stderr)


def most_codebooks(nbytes: int, shape: tuple[int, int], K: int, dtype: str = "float16") -> int:
    """The most codebooks with which compositional codes take at most `nbytes`, and no more than
    there can be of K vectors; 0 where one does not fit.

    Args:
        nbytes: of codes and codebooks.
        shape: (n, D) of the table.
        K: vectors of a codebook.
        dtype: of the codebooks.
    """
    rows, columns = shape
    codebook = K * columns * DTYPES[dtype]
    M = min(nbytes // codebook, MOST_VECTORS // K)
    while M and rows * bytes_per_row(M, index_bits(K)) + M * codebook > nbytes:
        M -= 1
    return int(M)
