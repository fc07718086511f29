"""Latent training on TensorFlow: variables are exchanged inside `train_step`.

There they take their quantized values, so that forward and backward passes see the quantized model;
while an optimizer is applied they are the latent weights. Both values stand in variables of their
own, so this holds in every branch and loop of an own `train_step`, and after an error.
"""

from __future__ import annotations

import functools
import threading

import keras
import numpy as np
import tensorflow as tf

from bcq_tf._keras import managed_variables
from bcq_tf._tensorflow import merge_call
from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen
from bcq_tf.training.latent.projection import levels, nearest, offset, unless_written, within_range
from bcq_tf.training.latent.training import LatentTraining
from bcq_tf.training.optimizers import averages, optimizers_of


class TensorFlowTraining(LatentTraining):
    """`LatentTraining` on TensorFlow, under `MirroredStrategy` too."""

    def __init__(
        self, model, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes], methods=()
    ):
        # Of the step that a thread is in: MirroredStrategy traces replicas in threads.
        self._step = threading.local()
        with model.distribute_strategy.scope():
            self._exchange = Exchange(weights, codes)
        # Keras' own step ends when it has applied its optimizer, once.
        self._ends_applied = getattr(model.train_step, "__func__", 0) is keras.Model.train_step
        super().__init__(model, weights, methods)

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        self._exchange.set_codes(codes)

    def _written_flags(self) -> np.ndarray:
        return _array(self._exchange.written)

    def remove(self) -> None:
        super().remove()
        # A function that an own train_step calls may stay traced with our methods in it.
        self._exchange.written.assign(np.ones(len(self._weights), bool))

    def _recover(self) -> None:
        self._exchange.recover()

    def _make_methods(self) -> list[tuple]:
        model = self._model
        step = (model, "train_step", self._wrap_train_step(model.train_step))
        optimizers = optimizers_of(model)
        return [step, *((each, "apply", self._wrap_apply(each)) for each in optimizers)]

    def _wrap_train_step(self, train_step):
        def latent_train_step(*args, **kwargs):
            every = frozenset(range(len(self._weights)))
            self._exchange.quantize(every)
            self._step.quantized = every
            try:
                result = train_step(*args, **kwargs)
                left = self._step.quantized
            finally:
                self._step.quantized = None
            self._exchange.put_back(left)
            return result

        return latent_train_step

    def _wrap_apply(self, optimizer):
        apply = optimizer.apply

        def latent_apply(grads, trainable_variables=None):
            quantized = getattr(self._step, "quantized", None)
            if quantized is None:  # outside a train step, or inside another optimizer
                return apply(grads, trainable_variables)
            variables = trainable_variables
            variables = managed_variables(optimizer) if variables is None else list(variables)
            # Those that it changes in every step, whatever it is given.
            averaged = managed_variables(optimizer) if averages(optimizer) else []
            trained = [v for g, v in zip(grads, variables, strict=False) if g is not None]
            its_own = self._exchange.find([*variables, *averaged])
            self._exchange.put_back(its_own, self._exchange.find(trained))
            self._step.quantized = None
            try:
                result = apply(grads, None if trainable_variables is None else variables)
            finally:
                self._step.quantized = quantized
            if self._ends_applied:
                self._step.quantized = quantized - its_own
            else:
                self._exchange.quantize(its_own)
            return result

        return latent_apply


class Exchange:
    """Weights, and variables of what is needed to quantize them within a step and put them back.

    Sets of weights are given by their indices.
    """

    def __init__(self, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes]):
        self._weights = weights
        self._levels = [tf.Variable(levels(codes[w.position]), False) for w in weights]
        self._offsets = [tf.Variable(offset(codes[w.position]), False) for w in weights]
        self._latents = [tf.Variable(tf.identity(w.variable.value), False) for w in weights]
        self._quantized = [tf.Variable(tf.identity(w.variable.value), False) for w in weights]
        self.written = tf.Variable(np.zeros(len(weights), bool), False)
        self._compiled = {}

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        """Takes other scales of the same weights."""
        for i, weight in enumerate(self._weights):
            self._levels[i].assign(levels(codes[weight.position]))
            self._offsets[i].assign(offset(codes[weight.position]))

    def find(self, variables) -> frozenset[int]:
        """Which weights `variables` are, Keras' or TensorFlow's own."""
        ids = {id(variable) for variable in variables}
        return frozenset(
            i
            for i, weight in enumerate(self._weights)
            if id(weight.variable) in ids or id(weight.variable.value) in ids
        )

    def quantize(self, which: frozenset[int]) -> None:
        """The variables take their nearest levels; what they were is kept.

        Each value is read from where it was written, so that at any moment either the variable or
        what is kept of it is the latent weight.
        """
        if not which:
            return
        order = sorted(which)
        latents = _write(self._of(self._latents, order), _read(self._variables(order)))
        scales = self._of(self._levels, order), self._of(self._offsets, order)
        project = self._compile(_quantize, order)
        values = project(latents, tf.identity(self.written), *map(_read, scales))
        values = _write(self._of(self._quantized, order), values)
        _assign(self._variables(order), values)

    def put_back(self, which: frozenset[int], trained: frozenset[int] = frozenset()) -> None:
        """The variables take what they were, unless something has written them since.

        trained: those that an optimizer moves next, from within the range of their levels.
        """
        if not which:
            return
        order = sorted(which)
        tensors = self._variables(order), *(self._of(each, order) for each in self._state())
        put_back = self._compile(_put_back, order, which & trained)
        values, written = put_back(tf.identity(self.written), *map(_read, tensors))
        _assign(self._variables(order), values)
        _assign([self.written], [written])

    def recover(self) -> None:
        """Puts back, outside of any step, what a step that failed left quantized."""
        for i, written in enumerate(_array(self.written)):
            variable = self._weights[i].variable
            quantized = np.array_equal(_array(variable), _array(self._quantized[i]))
            if quantized and not written:
                variable.assign(_array(self._latents[i]))

    def _state(self) -> tuple:
        return self._latents, self._quantized, self._levels, self._offsets

    def _variables(self, order: list[int]) -> list:
        return [self._weights[i].variable.value for i in order]

    def _of(self, values: list, order: list[int]) -> list:
        return [values[i] for i in order]

    def _compile(self, function, order: list[int], *options):
        # One compiled function whose scales are inputs: a solve compiles nothing anew.
        key = function, tuple(order), options
        if key not in self._compiled:
            weights = {i: self._weights[i] for i in order}
            partial = functools.partial(function, weights, *options)
            self._compiled[key] = tf.function(partial, jit_compile=True, autograph=False)
        return self._compiled[key]


def _quantize(weights: dict[int, Chosen], latents, written, all_levels, offsets) -> list:
    each = zip(weights.items(), latents, all_levels, offsets, strict=True)
    return [
        tf.where(written[i], latent, nearest(weight, latent, *scales))
        for (i, weight), latent, *scales in each
    ]


def _put_back(weights: dict[int, Chosen], trained, written, *tensors) -> tuple:
    flags, values = tf.unstack(written), []
    for i, present, latent, quantized, *scales in zip(weights, *tensors, strict=True):
        if i in trained:
            latent = within_range(weights[i], latent, *scales)
        value, flags[i] = unless_written(present, latent, quantized, flags[i])
        values.append(value)
    return values, tf.stack(flags)


def _read(variables) -> list:
    return [tf.identity(variable) for variable in variables]


def _write(variables, values) -> list:
    _assign(variables, values)
    return _read(variables)


def _assign(variables, values) -> None:
    # In a replica each variable takes the replica's own value, without a reduction.
    def assign_all(strategy, variables, values):
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(variable, lambda v, x: v.assign(x), args=(value,), group=False)

    merge_call(assign_all, tf.distribute.get_strategy(), list(variables), list(values))


def _array(variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
