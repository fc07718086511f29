"""`LossGradients`: what errors in a model's weights cost, by the gradients of its loss.

A row of a table that is looked up enters the loss with the gradient g there, so that its error e
costs about (g e^T)^2, of moments g g^T. A row of a matrix of products, of inputs x and with the
gradient d of the loss at its output, has E[x x^T] times the sum of d^2: the Fisher estimate. A
table that is looked up and gives logits, too, has both.

The sum of d^2 x x^T is that of the squared gradients of the row itself: where labels are drawn
anew, those of different samples are independent, and of mean zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from bcq_tf._keras import mask_of, walk_layers
from bcq_tf.models.calibration.counted import counted
from bcq_tf.models.calibration.product_inputs import looked_up
from bcq_tf.models.calibration.sums import Sums, Use, sums_of
from bcq_tf.models.calibration.watch import Watch, replaced_calls
from bcq_tf.models.likelihood import ends_in_softmax
from bcq_tf.selection.selection import Chosen

LOOK_UPS, LOGITS = "look-ups", "logits"


class NoGradientError(Exception):
    """An operation of the model has no gradient on this device."""


class LossGradients:
    """Looks at layers that look up rows of some weights, and at the gradients of others.

    Args:
        model: a built Keras model, on TensorFlow.
        weights: those of it that are looked at.
        sample: gives the loss's gradients at the model's outputs, see `output_gradients`.
        others: whether weights are looked at that are no tables.

    Attributes:
        tables: the positions of the tables.
        samples: how many there were, by their weights.
    """

    def __init__(self, model, weights: list[Chosen], sample: Callable, others: bool = False):
        self.model, self.sample = model, sample
        self.samples = 0.0
        self._softmax = ends_in_softmax(model)
        self._layers: dict = {}
        self._calls: list[tuple] = []
        self._uses: dict[tuple, Use] = {}
        by_variable = {id(weight.variable): weight for weight in weights}
        for layer in walk_layers(model):
            for variable in looked_up(layer):
                if id(variable) in by_variable:
                    self._layers[layer] = by_variable[id(variable)]
        self.tables = {weight.position for weight in self._layers.values()}
        self._others = [w for w in weights if others and w.position not in self.tables]
        self._squares = {w.position: np.zeros(w.view.matrix_shape[0]) for w in self._others}

    def watching(self):
        """A context in which calls of the tables' layers are looked at."""
        return replaced_calls(self._layers, self._call)

    def add(self, batch: tuple, watch: Watch) -> None:
        """Runs the model on a batch (x, y, sample weights) and adds the gradients of its loss, also
        to what `watch` has seen of it.

        Raises:
            NoGradientError: the loss cannot be differentiated.
        """
        self._calls.clear()
        variables = [weight.variable.value for weight in self._others]
        with tf.GradientTape() as tape:
            predicted = self.model(batch[0], training=False)
        flat = keras.tree.flatten(predicted)
        of_loss = self._of_loss(batch, predicted, flat)
        outputs = [output for _, _, output in self._calls]
        sources = [outputs, variables, watch.outputs]
        try:
            found = tape.gradient(flat, sources, of_loss)
        except (tf.errors.OpError, LookupError) as error:
            raise NoGradientError(line_of(error)) from error
        own = {id(tensor): g for tensor, g in zip(flat, of_loss, strict=True)}
        at_outputs, at_watched = (
            [own.get(id(tensor), g) for tensor, g in zip(tensors, gradients, strict=True)]
            for tensors, gradients in ((outputs, found[0]), (watch.outputs, found[2]))
        )
        for (weight, inputs, _), gradient in zip(self._calls, at_outputs, strict=True):
            if gradient is not None:
                self._add(weight, inputs, gradient)
        for weight, gradient in zip(self._others, found[1], strict=True):
            if gradient is not None:
                matrix = weight.view.to_matrix(_numpy(tf.convert_to_tensor(gradient)))
                self._squares[weight.position] += np.einsum("rc,rc->r", matrix, matrix)
        watch.add(at_watched)

    def uses(self, position: int) -> list[Use]:
        """How a table is used, as far as samples tell."""
        return [self._uses[key] for key in self._uses if key[0] == position]

    def squares(self, position: int) -> np.ndarray:
        """The sum of the squared gradients of each row of another weight, [R]."""
        return self._squares[position]

    def unseen(self, seen) -> dict[int, Use]:
        """The uses of other weights, of which nothing but their gradients is known, by position."""
        return {
            weight.position: _alone(self._squares[weight.position], weight.view.matrix_shape[1])
            for weight in self._others
            if weight.position not in seen and self._squares[weight.position].any()
        }

    def _of_loss(self, batch: tuple, predicted, flat: list) -> list:
        of_loss = self.sample(batch, predicted)
        positions = of_loss[0][..., 0] if len(of_loss[0].shape) > 1 else of_loss[0]
        scale = counted(positions, batch[0], batch[2], mask_of(flat[0]))
        self.samples += float(tf.reduce_sum(scale))
        if len(flat) > 1:
            return [tf.cast(g, p.dtype) for g, p in zip(of_loss, flat, strict=True)]
        scale = tf.reshape(scale, [*scale.shape, *[1] * (of_loss[0].ndim - scale.ndim)])
        return [tf.cast(of_loss[0] * scale, flat[0].dtype)]

    def _call(self, layer, call, inputs, *args, **kwargs):
        output = call(inputs, *args, **kwargs)
        reverse = kwargs.get("reverse") or (args and args[0])
        if not reverse or getattr(layer, "tie_weights", True):
            self._calls.append((self._layers[layer], (inputs, bool(reverse)), output))
        return output

    def _add(self, weight: Chosen, inputs: tuple, gradient) -> None:
        given, reverse = inputs
        rows = weight.view.matrix_shape[0]
        gradients = _rows(gradient)
        if reverse:
            counted = np.einsum("nr,nr->n", gradients, gradients) > 0
            sums = sums_of(_rows(given)[counted], weight.path)
            squares = np.einsum("nr,nr->r", gradients, gradients, dtype=np.float64)
        else:
            counted = gradients.any(axis=1)
            sums = sums_of(gradients[counted], weight.path)
            ids = _numpy(given).reshape(-1)[counted].astype(np.int64)
            squares = np.bincount(ids, minlength=rows).astype(np.float64)
        key = weight.position, LOGITS if reverse else LOOK_UPS
        if key in self._uses:
            self._uses[key].add(sums, squares)
        else:
            self._uses[key] = Use(sums, squares, logits=reverse and self._softmax)


def line_of(error: Exception) -> str:
    """What TensorFlow says first of why there is no gradient."""
    return re.sub(r"^{{.*?}} ", "", str(error).strip().splitlines()[0])


def _alone(squares: np.ndarray, columns: int) -> Use:
    # Errors of all columns matter alike.
    return Use(Sums(np.eye(columns, dtype=np.float32), 0, 1.0), squares / columns)


def _numpy(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _rows(tensor) -> np.ndarray:
    value = _numpy(tensor).astype(np.float32, copy=False)
    return value.reshape(-1, value.shape[-1])
