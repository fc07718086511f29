"""`TableGradients`: what errors in the rows of tables cost, by the gradients of the loss.

A row that is looked up enters the loss with the gradient g there, so that its error e costs about
(g e^T)^2, of moments g g^T. A table that also gives logits, of inputs x and with gradients d of the
loss, has x x^T beside it, weighted by the squares of d: the Fisher estimate for both uses.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from bcq_tf._keras import replaced_methods, walk_layers
from bcq_tf.models.calibration.product_inputs import looked_up
from bcq_tf.models.calibration.sums import Sums, add, sums_of
from bcq_tf.selection.selection import Chosen


class TableGradients:
    """Looks at the layers that look up rows of some weights.

    Args:
        model: a built and compiled Keras model, on TensorFlow.
        weights: those of it that are looked at where they are tables.

    Attributes:
        weights: the positions of the tables.
        sums: {position: `Sums`}.
    """

    def __init__(self, model, weights: list[Chosen]):
        self.model = model
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
        calls = (
            (layer, functools.partial(self._call, layer, layer.call)) for layer in self._layers
        )
        return replaced_methods(*((layer, "call", call) for layer, call in calls))

    def add(self, batch: tuple) -> None:
        """Runs the model on a batch (x, y, sample weights) and adds the gradients of its loss."""
        x, y, weights = batch
        self._uses.clear()
        with tf.GradientTape() as tape:
            predicted = self.model(x, training=False)
            y, weights = keras.tree.map_structure(_tensor, (y, weights))
            loss = self.model.compute_loss(x, y, predicted, weights, training=False)
        outputs = [output for _, _, output in self._uses]
        for (weight, inputs, _), gradient in zip(
            self._uses, tape.gradient(loss, outputs), strict=True
        ):
            if gradient is not None:
                rows = _rows(gradient) if inputs is None else _weighted(_rows(inputs), gradient)
                add(self.sums, weight.position, sums_of(rows, weight.path))

    def _call(self, layer, call, inputs, *args, **kwargs):
        output = call(inputs, *args, **kwargs)
        reverse = kwargs.get("reverse") or (args and args[0])
        if not reverse:
            self._uses.append((self._layers[layer], None, output))
        elif getattr(layer, "tie_weights", True):
            self._uses.append((self._layers[layer], inputs, output))
        return output


def _tensor(value):
    return None if value is None else keras.ops.convert_to_tensor(value)


def _rows(tensor) -> np.ndarray:
    value = np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
    return value.reshape(-1, value.shape[-1])


def _weighted(rows: np.ndarray, gradient) -> np.ndarray:
    sizes = tf.sqrt(tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)), axis=-1))
    return rows * sizes.numpy().reshape(-1, 1)
