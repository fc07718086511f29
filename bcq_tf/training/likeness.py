"""How far a model's outputs are from those of another one, its floats or its teacher.

Where the model is compiled with a known likelihood it is the divergence between the two
distributions (Hinton, Vinyals and Dean 2015), otherwise the squared difference by the wanted
outputs' mean square.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from bcq_tf.models.likelihood import BINARY, CATEGORICAL, likelihood


def divergence(model, temperature: float = 1.0) -> Callable:
    """A function (wanted outputs, outputs, how much each counts) -> scalar.

    All are flat lists of tensors, the last of the shapes of the others without their last axes.

    temperature: T, by which logits are divided on both sides; the divergence is multiplied by T^2,
        so that its gradients stay as large. Squared differences have none.
    """
    kind, from_logits = likelihood(model)
    of_one = {CATEGORICAL: _categorical, BINARY: _binary}.get(kind, _squared)

    def total(wanted: list, found: list, counted: list):
        each = zip(wanted, found, counted, strict=True)
        return sum(
            _mean(of_one(_float(w), _float(f), from_logits, temperature), c) for w, f, c in each
        )

    return total


def _float(output):
    return ops.cast(output, "float32")


def _mean(values, counted):
    return ops.sum(values * counted) / ops.maximum(ops.sum(counted), 1e-12)


def _categorical(wanted, found, from_logits: bool, temperature: float):
    wanted, found = (_log_probabilities(each, from_logits, temperature) for each in (wanted, found))
    return temperature**2 * ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)


def _binary(wanted, found, from_logits: bool, temperature: float):
    both = [ops.sigmoid(each) if from_logits else each for each in (wanted, found)]
    pairs = [ops.stack([each, 1 - each], axis=-1) for each in both]
    return ops.mean(_categorical(*pairs, False, temperature), axis=-1)


def _squared(wanted, found, from_logits: bool, temperature: float):
    size = ops.mean(ops.square(wanted)) + keras.backend.epsilon()
    return ops.mean(ops.square(found - wanted), axis=-1) / size


def _log_probabilities(outputs, from_logits: bool, temperature: float):
    if not from_logits:
        outputs = ops.log(ops.maximum(outputs, keras.backend.epsilon()))
        if temperature == 1:
            return outputs
    return ops.log_softmax(outputs / temperature)
