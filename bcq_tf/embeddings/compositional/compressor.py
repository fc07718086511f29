"""`EmbeddingCompressor`: compositional codes of a table by gradient descent."""

from __future__ import annotations

import math
import numbers
import os
import tempfile
import zlib

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.codes import CompositionalCodes
from bcq_tf.codes.float_range import largest_magnitude
from bcq_tf.config import check_integer
from bcq_tf.embeddings.compositional.autoencoder import CodeAutoencoder
from bcq_tf.embeddings.compositional.best_weights import BestWeights
from bcq_tf.embeddings.compositional.code_files import write_codes
from bcq_tf.embeddings.evaluation.fidelity import distance
from bcq_tf.files import file
from bcq_tf.files.paths import check_writable
from bcq_tf.solvers.checks import check_matrix
from bcq_tf.solvers.compositional.codebooks import check_sizes, stored_codebooks

ROWS_AT_ONCE = 1 << 12  # outside of training
BATCH = 64
TEMPERATURE, RATE = 0.5, 0.01  # these, with a cosine, reach a smaller distance than the paper's


class EmbeddingCompressor:
    """Codes that an autoencoder with a Gumbel softmax learns (Shu & Nakayama 2018).

    See `CodeAutoencoder`. `bcq_tf.embeddings.additive_codes` reaches a smaller distance in a small
    part of the time.

    Args:
        M: number of codebooks.
        K: vectors of a codebook.
        path: of the best weights, a `.bcq.npy` file; the ending is added where it lacks, and so is
            its folder. They are written whole or not at all.
        temperature: of the softmax, positive.
        learning_rate: of Adam, a number or a `keras.optimizers.schedules.LearningRateSchedule`.
            The values here are the paper's; a temperature of 0.5 and a rate that falls from 0.01
            along a cosine reach a smaller distance.
        clip_norm: the most that the norm of all gradients may be; None for any.
        batch_size: rows of a step.
        epochs: in all.
        validation_split: share of the rows, from 0 to less than 1, that is not trained on and
            tells which epoch is best. With 0 all rows do both.
        seed: an integer from 0 upwards.

    Raises:
        ValueError: an argument breaks its rule.
    """

    def __init__(
        self,
        M: int,
        K: int,
        path,
        *,
        temperature: float = 1.0,
        learning_rate=1e-4,
        clip_norm: float | None = 0.001,
        batch_size: int = BATCH,
        epochs: int = 200,
        validation_split: float = 0.0,
        seed: int = 0,
    ):
        self.M, self.K = check_sizes(M, K)
        _check_positive("temperature", temperature)
        if clip_norm is not None:
            _check_positive("clip_norm", clip_norm)
        if not _is_number(validation_split) or not 0 <= validation_split < 1:
            raise ValueError(
                "`validation_split` must be from 0 to less than 1. "
                f"Received: validation_split={validation_split!r}"
            )
        path = os.fsdecode(path)
        self.path = path if path.endswith(file.SUFFIX) else path + file.SUFFIX
        self.temperature, self.learning_rate, self.clip_norm = temperature, learning_rate, clip_norm
        self.batch_size = check_integer("batch_size", batch_size, 1)
        self.epochs, self.seed = check_integer("epochs", epochs, 1), check_integer("seed", seed, 0)
        self.validation_split = validation_split
        self._model = None

    def train(self, matrix, resume: bool = True, verbose="auto") -> keras.callbacks.History:
        """Learns the codes; the weights of the best epoch are at `path` and in use afterwards.

        Each epoch's logs have "distance", "maxp" and "loss" of the samples that were trained on,
        and "val_distance", "val_maxp" and "val_loss" of the codes. The best epoch is that of the
        smallest "val_distance".

        Args:
            matrix: float [R, D], finite, at least M K rows.
            resume: whether to go on from the best epoch at `path`, where there is one; it stays
                the best until another is better. Else `path` is written anew.
                Weights that were trained on another matrix are an error.
            verbose: as of `keras.Model.fit`.

        Returns:
            The `History` of this call.

        Raises:
            ValueError, TypeError: an argument breaks its rule; the weights at `path` are of other
                sizes or of another matrix; no epoch had a finite distance.
            FileFormatError, OSError: `path` is damaged, or cannot be read or written.
        """
        matrix = _table(matrix)
        check_sizes(self.M, self.K, len(matrix))
        check_writable(self.path)
        model = self._fresh(matrix.shape[1])
        best = BestWeights(self.path, zlib.crc32(np.ascontiguousarray(matrix)))
        if resume and os.path.exists(self.path):
            best.restore(model)
        held, trained = self._split(matrix)
        model.compile(
            keras.optimizers.Adam(self.learning_rate, global_clipnorm=self.clip_norm),
            jit_compile=False,  # XLA's random numbers take longer than all the rest on a CPU
        )
        steps = -(-len(trained) // self.batch_size)
        # A learning rate that follows a schedule goes on where it was.
        model.optimizer.iterations.assign(best.epochs_done * steps)
        history = model.fit(
            self._batches(trained, best.epochs_done),
            steps_per_epoch=steps,
            validation_data=tf.data.Dataset.from_tensor_slices(held).batch(ROWS_AT_ONCE),
            initial_epoch=best.epochs_done,
            epochs=self.epochs,
            shuffle=False,
            verbose=verbose,
            callbacks=[best, keras.callbacks.TerminateOnNaN()],
        )
        if best.epochs_done == 0:
            raise ValueError(
                "no epoch had a finite distance: `learning_rate` or `matrix` are too large. "
                f"Received: learning_rate={self.learning_rate}"
            )
        best.restore(model)
        self._model = model
        return history

    def codes(self, matrix) -> CompositionalCodes:
        """The codes of a table [R, D], which need not be the one that was trained on.

        Raises:
            ValueError, TypeError: the matrix breaks its rule, or is not as wide as that of `train`.
            FileFormatError, OSError: there was no `train`, and `path` cannot be read.
        """
        matrix = _table(matrix)
        model = self._trained(matrix.shape[1])
        parts = [
            keras.ops.convert_to_numpy(model.indexes(matrix[begin : begin + ROWS_AT_ONCE]))
            for begin in range(0, len(matrix), ROWS_AT_ONCE)
        ]
        codebooks = keras.ops.convert_to_numpy(model.codebooks)
        return CompositionalCodes.of(
            np.concatenate(parts), codebooks.reshape(self.M, self.K, matrix.shape[1])
        )

    def evaluate(self, matrix) -> float:
        """The mean Euclidean distance of a table's rows from what their codes stand for.

        Arguments and errors as of `codes`.
        """
        return distance(_table(matrix), self.codes(matrix)).mean

    def export(self, matrix, prefix) -> tuple[str, str]:
        """Writes the codes of a table to `prefix`.codes and `prefix`.codebook.npy.

        See `bcq_tf.embeddings.write_codes`; errors as of `codes` too.
        """
        return write_codes(prefix, self.codes(matrix))

    def _fresh(self, dimensions: int) -> CodeAutoencoder:
        return CodeAutoencoder(self.M, self.K, dimensions, self.temperature, self.seed)

    def _trained(self, dimensions: int) -> CodeAutoencoder:
        if self._model is None:
            model = self._fresh(dimensions)
            BestWeights(self.path).restore(model)
            self._model = model
        if self._model.sizes[2] != dimensions:
            raise ValueError(
                f"`matrix` must have {self._model.sizes[2]} columns. Received: {dimensions}"
            )
        return self._model

    def _split(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The rows that tell which epoch is best, and those that are trained on.
        count = int(self.validation_split * len(matrix))
        if count == 0:
            return matrix, matrix
        order = np.random.default_rng(self.seed).permutation(len(matrix))
        return matrix[order[:count]], matrix[order[count:]]

    def _batches(self, rows: np.ndarray, first_epoch: int) -> tf.data.Dataset:
        # The order of each epoch depends on the seed and its number alone.
        table = tf.constant(rows)

        def epoch(number):
            order = tf.range(len(rows), dtype=tf.int64)
            order = tf.random.experimental.stateless_shuffle(order, [self.seed, number])
            batches = tf.data.Dataset.from_tensor_slices(order).batch(self.batch_size)
            return batches.map(lambda ids: tf.gather(table, ids))

        epochs = tf.data.Dataset.range(first_epoch, self.epochs)
        return epochs.flat_map(epoch).prefetch(4)


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


def _check_positive(name: str, value) -> None:
    if not _is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be positive. Received: {name}={value!r}")


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _table(matrix) -> np.ndarray:
    return check_matrix(matrix).astype(np.float32)


def _exponent(matrix: np.ndarray) -> int:
    # Of the root mean square, in a way that neither under- nor overflows.
    largest = int(np.frexp(largest_magnitude(matrix))[1])
    squares = np.square(np.ldexp(matrix.astype(np.float64), -largest))
    return largest + int(np.frexp(np.sqrt(squares.mean()))[1])
