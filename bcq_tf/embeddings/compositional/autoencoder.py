"""`CodeAutoencoder`: word vectors through discrete codes and back, as a Keras model."""

from __future__ import annotations

import keras
from keras import ops

_SMALLEST = 1e-8  # of what a logarithm is taken


class CodeAutoencoder(keras.Model):
    """A vector's codes, M choices of one of K, and the sum of the M chosen codebook vectors.

    The encoder is a tanh layer of M K / 2 units and M K logits, log softplus. In training a choice
    is a sample of the Gumbel softmax, which gradients pass; elsewhere it is the likeliest entry.
    The loss is half the squared error of a vector. The logs have "distance", the mean Euclidean
    distance of vectors and their reconstructions, and "maxp", the mean largest weight of a choice.

    Shu & Nakayama 2018, "Compressing word embeddings via deep compositional code learning".

    Args:
        M: number of codebooks.
        K: vectors of a codebook.
        dimensions: D, of a vector.
        temperature: of the softmax, positive.
        seed: of the initial weights and the samples.
    """

    def __init__(self, M: int, K: int, dimensions: int, temperature: float, seed: int):
        super().__init__()
        self.sizes, self.temperature = (M, K, dimensions), temperature
        self.random = keras.random.SeedGenerator(seed)
        self.hidden = keras.layers.Dense(
            max(1, M * K // 2), "tanh", kernel_initializer=_glorot(seed + 1), name="hidden"
        )
        self.logits = keras.layers.Dense(
            M * K, "softplus", kernel_initializer=_glorot(seed + 2), name="logits"
        )
        self.codebooks = self.add_weight(
            name="codebooks",
            shape=(M * K, dimensions),
            initializer=keras.initializers.RandomUniform(-0.01, 0.01, seed + 3),
        )
        self.distance = keras.metrics.Mean("distance")
        self.maxp = keras.metrics.Mean("maxp")
        self.build((None, dimensions))

    def build(self, input_shape):
        """input_shape: of the vectors, (None, D)."""
        self.hidden.build(input_shape)
        self.logits.build((None, self.hidden.units))
        self.built = True

    def log_weights(self, vectors):
        """vectors [n, D] -> [n, M, K], the logits of each choice."""
        M, K, _ = self.sizes
        return ops.reshape(ops.log(self.logits(self.hidden(vectors)) + _SMALLEST), (-1, M, K))

    def call(self, vectors, training=False):
        """vectors [n, D] -> (reconstructions [n, D], the largest weight of each choice [n, M])."""
        M, K, _ = self.sizes
        logits = self.log_weights(vectors)
        if training:
            uniform = keras.random.uniform(ops.shape(logits), _SMALLEST, 1, seed=self.random)
            gumbel = -ops.log(-ops.log(uniform))
            weights = choice = ops.softmax((logits + gumbel) / self.temperature)
        else:
            weights = ops.softmax(logits / self.temperature)
            choice = ops.one_hot(ops.argmax(logits, axis=-1), K)
        flat = ops.reshape(choice, (-1, M * K))
        return ops.matmul(flat, self.codebooks), ops.max(weights, axis=-1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Half the squared error of a vector, mean over the batch."""
        reconstructions, largest = y_pred
        squared = ops.sum(ops.square(x - reconstructions), axis=-1)
        self.distance.update_state(ops.sqrt(squared))
        self.maxp.update_state(largest)
        return ops.mean(squared) / 2

    def indexes(self, vectors):
        """vectors [n, D] -> int32 [n, M], the likeliest entry of each codebook."""
        return ops.argmax(self.log_weights(vectors), axis=-1)


def _glorot(seed: int):
    return keras.initializers.GlorotUniform(seed)
