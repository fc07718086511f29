"""Latent training on JAX: the loss is taken at the quantized values, its gradient passed through.

There a step is a function of its state, so nothing is exchanged: the variables in the state stay
the latent ones, and the loss sees others.
"""

from __future__ import annotations

import jax
import numpy as np

from bcq_tf._keras import sharding_of_all, with_state_sharding
from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen
from bcq_tf.training.latent.projection import levels, nearest, offset, unless_written, within_range
from bcq_tf.training.latent.training import LatentTraining


class JaxTraining(LatentTraining):
    """`LatentTraining` on JAX.

    Under a `keras.distribution` every device projects its part of a weight with all of the scales.

    Raises:
        ValueError: at the first step, the model's own `train_step` calls no
            `compute_loss_and_updates`.
    """

    def __init__(
        self, model, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes], methods=()
    ):
        self._scales = None  # inside a step, what its loss quantizes with
        self._places = _Places(model, weights)
        self._everywhere = sharding_of_all()
        self._written = self._put(np.zeros(len(weights), bool))
        super().__init__(model, weights, methods)
        self.set_codes(codes)

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        all_levels = [self._put(levels(codes[w.position])) for w in self._weights]
        offsets = [self._put(offset(codes[w.position])) for w in self._weights]
        self._codes = all_levels, offsets

    def _put(self, value):
        # On every device of a distribution the whole of it.
        return jax.device_put(value, self._everywhere)

    def _written_flags(self) -> np.ndarray:
        return np.asarray(self._written)

    def _make_methods(self) -> list[tuple]:
        model = self._model
        compute = self._wrap_compute(model.compute_loss_and_updates)
        return [
            (model, "train_step", self._wrap_train_step(model.train_step)),
            (model, "compute_loss_and_updates", compute),
            with_state_sharding(model, self._everywhere),
        ]

    def _wrap_train_function(self, train_function):
        # The scales travel with the state: as inputs of the compiled step they compile nothing
        # anew, and the step gives them back, since JAX takes the memory of its state.
        def latent_train_function(state, iterator):
            ours = *self._codes, self._written
            logs, (*state, ours) = train_function((*state, ours), iterator)
            *self._codes, self._written = ours
            return logs, tuple(state)

        return latent_train_function

    def _wrap_train_step(self, train_step):
        def latent_train_step(state, data):
            trainable, non_trainable, *others, ours = state
            *scales, written = ours
            latents = self._latents(trainable, non_trainable, *scales)
            self._scales, self._computed = ours, False
            try:
                variables = self._places.put(latents, trainable, non_trainable)
                logs, state = train_step((*variables, *others), data)
            finally:
                self._scales = None
            if not self._computed:
                raise ValueError(
                    "`latent=True` needs a train_step that calls compute_loss_and_updates where "
                    f"Keras runs on JAX. Received: that of {type(self._model).__name__}"
                )
            after = self._places.take(*state[:2])
            written = self._find_written(written, latents, after)
            return logs, (*state, (*scales, written))

        return latent_train_step

    def _latents(self, trainable, non_trainable, all_levels, offsets) -> list:
        # What the optimizer does not move stays, also where it is beyond its levels.
        values = self._places.take(trainable, non_trainable)
        return [
            within_range(weight, value, *scales) if trains else value
            for weight, trains, value, *scales in zip(
                self._weights, self._places.train, values, all_levels, offsets, strict=True
            )
        ]

    def _find_written(self, written, before, after):
        flags = [
            written[i] if trains else unless_written(new, old, old, written[i])[1]
            for i, (trains, old, new) in enumerate(
                zip(self._places.train, before, after, strict=True)
            )
        ]
        return jax.numpy.stack(flags)

    def _wrap_compute(self, compute):
        def latent_compute(trainable, non_trainable, *args, **kwargs):
            if self._scales is None:  # a validation, say
                return compute(trainable, non_trainable, *args, **kwargs)
            self._computed = True
            latents = self._places.take(trainable, non_trainable)
            quantized = self._quantize(latents)
            seen = [_straight_through(*pair) for pair in zip(latents, quantized, strict=True)]
            loss, (unscaled, y, updated, *rest) = compute(
                *self._places.put(seen, trainable, non_trainable), *args, **kwargs
            )
            presents = self._places.take(trainable, updated)
            written = self._scales[-1]
            kept = [
                latent if trains else unless_written(present, latent, value, written[i])[0]
                for i, (trains, present, latent, value) in enumerate(
                    zip(self._places.train, presents, latents, seen, strict=True)
                )
            ]
            _, updated = self._places.put(kept, trainable, updated)
            return loss, (unscaled, y, updated, *rest)

        return latent_compute

    def _quantize(self, latents) -> list:
        *scales, written = self._scales
        return [
            jax.numpy.where(written[i], latent, nearest(weight, latent, *its_scales))
            for i, (weight, latent, *its_scales) in enumerate(
                zip(self._weights, latents, *scales, strict=True)
            )
        ]


class _Places:
    """Where the chosen weights stand in the lists of a model's trainable and other variables."""

    def __init__(self, model, weights: tuple[Chosen, ...]):
        lists = model.trainable_variables, model.non_trainable_variables
        places = {
            id(variable): (kind, index)
            for kind, variables in enumerate(lists)
            for index, variable in enumerate(variables)
        }
        self._places = [places[id(weight.variable)] for weight in weights]
        self.train = [kind == 0 for kind, _ in self._places]

    def take(self, *lists) -> list:
        """The chosen weights' values in the two lists."""
        return [lists[kind][index] for kind, index in self._places]

    def put(self, values, *lists) -> tuple[list, list]:
        """The two lists with `values` in the chosen weights' places."""
        lists = tuple(list(values) for values in lists)
        for (kind, index), value in zip(self._places, values, strict=True):
            lists[kind][index] = value
        return lists


def _straight_through(latent, quantized):
    # Exactly the quantized value, with the latent one's derivative.
    return jax.lax.stop_gradient(quantized) + (latent - jax.lax.stop_gradient(latent))
