"""Latent training on TensorFlow: variables are exchanged inside `train_step`.

There they take their quantized values, so that forward and backward passes see the quantized model;
when the optimizer is applied they are the latent weights again.
"""

from __future__ import annotations

import functools
import threading

import tensorflow as tf

from bcq_tf.codes import BinaryCodes
from bcq_tf.latent.projection import levels, offset, project_all
from bcq_tf.latent.training import LatentTraining
from bcq_tf.selection import Chosen


class TensorFlowTraining(LatentTraining):
    """`LatentTraining` on TensorFlow, under `MirroredStrategy` too.

    Args:
        model, weights, codes: see `bcq_tf.latent.train_latent`.
    """

    def __init__(self, model, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes]):
        self._step = threading.local()  # MirroredStrategy traces replicas in threads
        with model.distribute_strategy.scope():
            self._levels = [tf.Variable(levels(codes[w.position]), False) for w in weights]
            self._offsets = [tf.Variable(offset(codes[w.position]), False) for w in weights]
        # One compiled function whose scales are inputs: a solve compiles nothing anew.
        project = functools.partial(project_all, weights)
        self._project = tf.function(project, jit_compile=True, autograph=False)
        super().__init__(model, weights)

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        for weight, its_levels, its_offset in zip(
            self._weights, self._levels, self._offsets, strict=True
        ):
            its_levels.assign(levels(codes[weight.position]))
            its_offset.assign(offset(codes[weight.position]))

    def _take_over(self) -> None:
        model, optimizer = self._model, self._model.optimizer
        self._replace(model, "train_step", self._wrap_train_step(model.train_step))
        if optimizer is not None:
            self._replace(optimizer, "apply", self._wrap_apply(optimizer.apply))

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
