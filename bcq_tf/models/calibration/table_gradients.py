"""`TableGradients`: what errors in the rows of tables cost, by the gradients of the loss.

A row that is looked up enters the loss with the gradient g there, so that its error e costs about
(g e^T)^2, of moments g g^T. A table that also gives logits, of inputs x and with gradients d of the
loss, has E[x x^T] beside it, times the sum of d^2: the Fisher estimate for both uses.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bcq_tf._keras import walk_layers
from bcq_tf.models.calibration.product_inputs import looked_up
from bcq_tf.models.calibration.sums import Sums, add, sums_of
from bcq_tf.models.calibration.watch import replaced_calls
from bcq_tf.selection.selection import Chosen


class TableGradients:
    """Looks at the layers that look up rows of some weights.

    Args:
        model: a built Keras model, on TensorFlow.
        weights: those of it that are looked at where they are tables.
        sample: gives the loss's gradients at the model's output, see `output_gradients`.

    Attributes:
        weights: the positions of the tables.
        sums: {position: `Sums`}.
    """

    def __init__(self, model, weights: list[Chosen], sample: Callable):
        self.model, self.sample = model, sample
        self.sums: dict[int, Sums] = {}
        self._layers: dict = {}
        self._uses: list[tuple] = []
        by_variable = {id(weight.variable): weight for weight in weights}
        for layer in walk_layers(model):
            for variable in looked_up(layer):
                if id(variable) in by_variable:
                    self._layers[layer] = by_variable[id(variable)]
        self.weights = {weight.position for weight in self._layers.values()}

    def watching(self):
        """A context in which calls of the layers are looked at."""
        return replaced_calls(self._layers, self._call)

    def add(self, batch: tuple) -> None:
        """Runs the model on a batch (x, y, sample weights) and adds the gradients of its loss."""
        x, _, weights = batch
        self._uses.clear()
        with tf.GradientTape() as tape:
            predicted = self.model(x, training=False)
        of_loss = self.sample(predicted)
        if weights is not None:
            weights = tf.cast(weights, of_loss.dtype)
            of_loss *= tf.reshape(weights, [*weights.shape, *[1] * (of_loss.ndim - weights.ndim)])
        outputs = [output for _, _, output in self._uses]
        gradients = tape.gradient(predicted, outputs, tf.cast(of_loss, predicted.dtype))
        for (weight, inputs, output), gradient in zip(self._uses, gradients, strict=True):
            if output is predicted:
                gradient = of_loss
            if gradient is not None:
                rows = _rows(gradient) if inputs is None else _times(_rows(inputs), _rows(gradient))
                add(self.sums, weight.position, sums_of(rows, weight.path))

    def _call(self, layer, call, inputs, *args, **kwargs):
        output = call(inputs, *args, **kwargs)
        reverse = kwargs.get("reverse") or (args and args[0])
        if not reverse:
            self._uses.append((self._layers[layer], None, output))
        elif getattr(layer, "tie_weights", True):
            self._uses.append((self._layers[layer], inputs, output))
        return output


def _rows(tensor) -> np.ndarray:
    value = np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
    return value.reshape(-1, value.shape[-1])


def _times(inputs: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The inputs of logits by the size of the gradients there, where these are not zero."""
    sizes = np.einsum("nr,nr->n", gradients, gradients)
    return inputs[sizes > 0] * np.sqrt(sizes.sum() / max(1, np.count_nonzero(sizes)))
