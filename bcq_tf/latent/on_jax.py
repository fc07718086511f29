"""Latent training on JAX: the loss is taken at the quantized values, its gradient passed through.

There a step is a function of its state, so nothing is exchanged: the variables in the state stay
the latent ones, and the loss sees others.
"""

from __future__ import annotations

import jax
import keras

from bcq_tf.codes import BinaryCodes
from bcq_tf.latent.projection import levels, offset, project_all
from bcq_tf.latent.training import LatentTraining
from bcq_tf.selection import Chosen


class JaxTraining(LatentTraining):
    """`LatentTraining` on JAX.

    Args:
        model, weights, codes: see `bcq_tf.latent.train_latent`.

    Raises:
        ValueError: the model trains under a `keras.distribution`; or, at the first step, its own
            `train_step` calls no `compute_loss_and_updates`.
    """

    def __init__(self, model, weights: tuple[Chosen, ...], codes: dict[int, BinaryCodes]):
        if keras.distribution.distribution() is not None:
            raise ValueError(
                "`latent=True` needs a model on one device where Keras runs on JAX. "
                f"Received: {type(keras.distribution.distribution()).__name__}"
            )
        self._quantized = None  # inside a step, the values that its loss is taken at
        self._places = _Places(model, weights)
        super().__init__(model, weights)
        self.set_codes(codes)

    def set_codes(self, codes: dict[int, BinaryCodes]) -> None:
        all_levels = [jax.numpy.asarray(levels(codes[w.position])) for w in self._weights]
        offsets = [jax.numpy.asarray(offset(codes[w.position])) for w in self._weights]
        self._scales = all_levels, offsets

    def _take_over(self) -> None:
        model = self._model
        self._replace(model, "train_step", self._wrap_train_step(model.train_step))
        compute = self._wrap_compute(model.compute_loss_and_updates)
        self._replace(model, "compute_loss_and_updates", compute)

    def _wrap_train_function(self, train_function):
        # The scales travel with the state: as inputs of the compiled step they compile nothing
        # anew, and the step gives them back, since JAX takes the memory of its state.
        def latent_train_function(state, iterator):
            logs, (*state, self._scales) = train_function((*state, self._scales), iterator)
            return logs, tuple(state)

        return latent_train_function

    def _wrap_train_step(self, train_step):
        def latent_train_step(state, data):
            trainable, non_trainable, *others, scales = state
            values = self._places.take(trainable, non_trainable)
            latents, self._quantized = project_all(self._weights, values, *scales)
            self._computed = False
            try:
                variables = self._places.put(latents, trainable, non_trainable)
                logs, state = train_step((*variables, *others), data)
            finally:
                self._quantized = None
            if not self._computed:
                raise ValueError(
                    "`latent=True` needs a train_step that calls compute_loss_and_updates where "
                    f"Keras runs on JAX. Received: that of {type(self._model).__name__}"
                )
            return logs, (*state, scales)

        return latent_train_step

    def _wrap_compute(self, compute):
        def latent_compute(trainable, non_trainable, *args, **kwargs):
            if self._quantized is None:  # a validation, say
                return compute(trainable, non_trainable, *args, **kwargs)
            self._computed = True
            latents = self._places.take(trainable, non_trainable)
            seen = [_straight_through(*pair) for pair in zip(latents, self._quantized, strict=True)]
            loss, (unscaled, y, updated, *rest) = compute(
                *self._places.put(seen, trainable, non_trainable), *args, **kwargs
            )
            _, updated = self._places.put(latents, trainable, updated)
            return loss, (unscaled, y, updated, *rest)

        return latent_compute


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
