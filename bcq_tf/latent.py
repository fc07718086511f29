"""Straight-through training on TensorFlow: the step sees quantized weights, the float ones learn.

Between steps the model's variables hold the latent float weights. Inside `train_step` they take the
nearest value that the codes' scales allow, so that forward and backward passes see the quantized
model; when the optimizer is applied they are the latent weights again, so that the update, weight
decay, moving averages and constraints act on those. This is the straight-through estimator
(Bengio, Leonard and Courville 2013) for any Keras model, with no change to its layers.

The latent weights are kept within the range that the levels cover. Beyond it the gradient of the
quantized value says nothing of the latent one, which would drift too far out to come back.

It stands inside `train_step`, not in the batch callbacks, since with `steps_per_execution > 1` one
call of a batch callback covers many steps.
"""

from __future__ import annotations

import itertools
import threading

import numpy as np
import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection import Chosen


class LatentTraining:
    """Makes a model train its `weights` straight through their codes, until `remove()`.

    Args:
        model: a compiled Keras model on the TensorFlow backend.
        weights: the chosen weights.
        codes: {position: BinaryCodes}, the scales that the weights are projected onto.
    """

    def __init__(self, model, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes]):
        self._model = model
        self._weights = weights
        self._step = threading.local()  # MirroredStrategy traces replicas in threads
        self._expected = False
        self._replaced = []
        with model.distribute_strategy.scope():
            self._levels = [tf.Variable(levels(codes[w.position]), False) for w in weights]
            self._offsets = [tf.Variable(_offset(codes[w.position]), False) for w in weights]
        self._project = tf.function(self._project_all, jit_compile=True, autograph=False)
        self._install()

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        """Projects onto these codes' scales from the next step on."""
        for weight, its_levels, offset in zip(
            self._weights, self._levels, self._offsets, strict=True
        ):
            its_levels.assign(levels(codes[weight.position]))
            offset.assign(_offset(codes[weight.position]))

    def expect_step(self) -> None:
        """To be called before every call of the model's train function; see `_guard`."""
        self._expected = True

    def remove(self) -> None:
        """Gives the model its own `train_step` and optimizer back."""
        for owner, name, previous in self._replaced:
            if previous is None:
                object.__delattr__(owner, name)
            else:
                object.__setattr__(owner, name, previous)
        self._replaced = []
        self._model.train_function = None

    def _install(self) -> None:
        model, optimizer = self._model, self._model.optimizer
        self._replace(model, "train_step", self._wrap_train_step(model.train_step))
        if optimizer is not None:
            self._replace(optimizer, "apply", self._wrap_apply(optimizer.apply))
        # `fit` made its train function before the callbacks' `on_train_begin`.
        model.make_train_function(force=True)
        model.train_function = self._guard(model.train_function)

    def _replace(self, owner, name: str, function) -> None:
        # Past Keras' attribute tracking: this is no part of the model.
        self._replaced.append((owner, name, owner.__dict__.get(name)))
        object.__setattr__(owner, name, function)

    def _guard(self, train_function):
        # A `fit` that ended in an exception calls no `on_train_end`. The next `fit` finds this
        # train function; where our callback is not part of it, nobody announces the step.
        def guarded(iterator):
            if not self._expected:
                self.remove()
                self._model.make_train_function(force=True)
                return self._model.train_function(iterator)
            self._expected = False
            return train_function(iterator)

        return guarded

    def _wrap_train_step(self, train_step):
        def latent_train_step(*args, **kwargs):
            values = [tf.identity(w.variable.value) for w in self._weights]
            all_levels = [tf.identity(variable) for variable in self._levels]
            offsets = [tf.identity(variable) for variable in self._offsets]
            latents, quantized = self._project(values, all_levels, offsets)
            _assign(self._weights, quantized)
            self._step.latents, self._step.applied = latents, False
            try:
                result = train_step(*args, **kwargs)
            finally:
                self._step.latents = None
            if not self._step.applied:
                _add_difference(self._weights, latents, quantized)
            return result

        return latent_train_step

    def _wrap_apply(self, apply):
        def latent_apply(*args, **kwargs):
            latents = getattr(self._step, "latents", None)
            if latents is not None:
                if self._step.applied:
                    raise ValueError(
                        "`latent=True` needs a train_step that applies model.optimizer once. "
                        "Received: a second call of apply in one step"
                    )
                _assign(self._weights, latents)
                self._step.applied = True
            return apply(*args, **kwargs)

        return latent_apply

    def _project_all(self, values, all_levels, offsets):
        pairs = [
            _project(weight, value, its_levels, offset)
            for weight, value, its_levels, offset in zip(
                self._weights, values, all_levels, offsets, strict=True
            )
        ]
        return tuple(zip(*pairs, strict=True))


def levels(codes: BinaryCodes) -> np.ndarray:
    """The values >= 0 that a weight can take above its offset, ascending.

    Returns:
        float32 [R, G, 2**(bits - 1)]; the others are their negatives.
    """
    scales = np.stack([s.astype(np.float32) for s in codes.scales], axis=-1)
    values = scales[..., :1]
    for i in range(1, codes.bits):
        scale = scales[..., i : i + 1]
        values = np.concatenate([values - scale, values + scale], axis=-1)
    return np.sort(np.abs(values), axis=-1)


def _offset(codes: BinaryCodes) -> np.ndarray:
    if codes.offset is None:
        return np.zeros((1, 1), np.float32)
    return codes.offset.astype(np.float32)


def _project(weight: Chosen, value, its_levels, offset):
    """(the latent weight within the range of its levels, its nearest level), both as `value`."""
    view, group_size = weight.view, weight.config.group_size
    rows = tf.reshape(tf.transpose(tf.cast(value, tf.float32), view.permutation), view.matrix_shape)

    def along_row(per_group):
        return _along_row(per_group, group_size, view.matrix_shape[1])

    def restore(matrix):
        permuted = tf.reshape(matrix, [view.shape[axis] for axis in view.permutation])
        return tf.cast(tf.transpose(permuted, view.inverse_permutation), value.dtype)

    centre, limit = along_row(offset), along_row(_range(its_levels))
    latent = tf.clip_by_value(rows, centre - limit, centre + limit)
    steps = [along_row(level) for level in tf.unstack(its_levels, axis=-1)]
    return restore(latent), restore(_nearest(latent - centre, steps) + centre)


def _range(its_levels):
    # [R, G, L] -> [R, G]: where 2 L levels, evenly spaced, would stop being the nearest. Where all
    # levels are 0 nothing is limited, or a row of zeros could never train.
    top, number = its_levels[..., -1], 2 * its_levels.shape[-1]
    return tf.where(top > 0, top * (number / (number - 1)), np.inf)


def _nearest(matrix, steps):
    """Each weight's nearest of the levels `steps`, ascending, and of their negatives."""
    magnitude = tf.abs(matrix)
    value = tf.broadcast_to(steps[0], matrix.shape)
    for lower, upper in itertools.pairwise(steps):
        value = tf.where(magnitude > (lower + upper) / 2, upper, value)
    return tf.where(matrix < 0, -value, value)  # not tf.sign, which is 0 at 0


def _along_row(per_group, group_size: int | None, columns: int):
    # [R, G] -> [R, C], or [R, 1] that broadcasts where one group is the whole row.
    if per_group.shape[1] == 1:
        return per_group
    return tf.repeat(per_group, group_size, axis=1)[:, :columns]


def _assign(weights: tuple[Chosen, ...], values) -> None:
    # In a replica each variable takes the replica's own value, without a reduction.
    def assign_all(strategy, variables, values):
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(variable, lambda v, x: v.assign(x), args=(value,), group=False)

    merge = tf.__internal__.distribute.interim.maybe_merge_call
    variables = [weight.variable.value for weight in weights]
    merge(assign_all, tf.distribute.get_strategy(), variables, list(values))


def _add_difference(weights: tuple[Chosen, ...], latents, quantized) -> None:
    moved = [
        latent + (tf.identity(w.variable.value) - value)
        for w, latent, value in zip(weights, latents, quantized, strict=True)
    ]
    _assign(weights, moved)
