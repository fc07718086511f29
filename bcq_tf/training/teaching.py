"""Distillation: the loss of a model in training and how far its outputs are from a teacher's.

Hinton, Vinyals and Dean 2015, in the loss that the model is compiled with, whichever that is. It
stands in `compute_loss`, so that a `train_step` of the model's own has it too, and not in that of a
validation: `val_loss` stays the plain loss.
"""

from __future__ import annotations

import os

import keras
from keras import ops

from bcq_tf._keras import mask_of, part_of_loss
from bcq_tf.config import check_positive
from bcq_tf.files.file import SUFFIX
from bcq_tf.models.calibration.counted import counted
from bcq_tf.shown import short
from bcq_tf.training.likeness import divergence


class Teacher:
    """What a teacher adds to the loss.

    Args:
        teacher: a Keras model, or the path of one, ".keras" or ".bcq.npy".
        temperature: T > 0, see `divergence`.
        alpha: the share of the loss that is the distance from the teacher, above 0, at most 1.

    Raises:
        TypeError, ValueError: an argument breaks its rule.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, teacher, temperature: float, alpha: float):
        if not isinstance(teacher, (keras.Model, str, os.PathLike)):
            raise TypeError(
                "`teacher` must be a Keras model or the path of one. "
                f"Received: teacher={short(teacher)}"
            )
        check_positive("temperature", temperature)
        check_positive("alpha", alpha)
        if alpha > 1:
            raise ValueError(f"`alpha` must be at most 1. Received: alpha={alpha}")
        if not isinstance(teacher, keras.Model):
            teacher = _load(os.fspath(teacher))
        self.model, self.temperature, self.alpha = teacher, temperature, alpha


class Lesson:
    """What a teacher adds to the loss of one model in one `fit`.

    Raises:
        ValueError: the teacher is the model itself, or shares weights with it.
    """

    def __init__(self, teacher: Teacher, model):
        shared = {id(variable) for variable in model.variables}
        if any(id(variable) in shared for variable in teacher.model.variables):
            raise ValueError(
                "`teacher` must have weights of its own, as the model's change: save the model and "
                f"give the path, say. Received: teacher={teacher.model.name!r}"
            )
        self._teacher, self._model = teacher, model
        self._distance = divergence(model, teacher.temperature)
        self._own = model.compute_loss
        self.is_taken = False  # whether a step has computed the loss

    def methods(self) -> list[tuple]:
        """What the model is to have in its steps, see `Takeover`."""
        return [(self._model, "compute_loss", self._compute_loss)]

    def check(self) -> None:
        """Raises ValueError, once a step was taken, unless it has computed this loss."""
        if not self.is_taken:
            raise ValueError(
                "`teacher` needs a train_step that calls compute_loss. "
                f"Received: that of {type(self._model).__name__}"
            )

    def _compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **training):
        loss = self._own(x, y, y_pred, sample_weight, **training)
        if not training.get("training", True):
            return loss
        self.is_taken = True
        wanted = self._teacher.model(x, training=False)
        distance = self._distance(*_flat(wanted, y_pred, x, sample_weight))
        distance, alpha = part_of_loss(self._model, distance), self._teacher.alpha
        return (1 - alpha) * loss + alpha * ops.cast(distance, loss.dtype)


def _load(path: str):
    if not os.path.exists(path):
        raise FileNotFoundError(f"`teacher` must be a file that exists. Received: '{path}'")
    if not path.endswith(SUFFIX):
        return keras.saving.load_model(path)
    from bcq_tf.models.loading import load_model

    return load_model(path, packed=keras.backend.backend() == "tensorflow")


def _flat(wanted, found, x, sample_weight) -> tuple[list, list, list]:
    """(the teacher's outputs, the model's, how much each position of them counts)."""
    shapes = [keras.tree.map_structure(lambda t: tuple(t.shape), each) for each in (found, wanted)]
    found, wanted = ([_with_axis(t) for t in keras.tree.flatten(each)] for each in (found, wanted))
    alike = len(found) == len(wanted) and all(map(_alike, found, wanted))
    if not alike:
        raise ValueError(
            f"`teacher` must give outputs of the model's shapes, {shapes[0]}. Received: {shapes[1]}"
        )
    weights = keras.tree.flatten(sample_weight) if sample_weight is not None else [None]
    weights = weights if len(weights) == len(found) else weights[:1] * len(found)
    counts = [
        counted(output[..., 0], x, weight, mask_of(output))
        for output, weight in zip(found, weights, strict=True)
    ]
    return [ops.stop_gradient(output) for output in wanted], found, counts


def _with_axis(output):
    return output if len(output.shape) > 1 else ops.expand_dims(output, -1)


def _alike(one, other) -> bool:
    pairs = zip(one.shape, other.shape, strict=False)
    return len(one.shape) == len(other.shape) and all(
        None in pair or pair[0] == pair[1] for pair in pairs
    )
