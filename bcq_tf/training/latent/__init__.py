"""Straight-through training: the step sees quantized weights, the float ones learn.

Between steps the model's variables hold the latent float weights. Forward and backward passes take
the nearest values that the codes' scales allow; the update, weight decay, moving averages and
constraints act on the latent weights. This is the straight-through estimator (Bengio, Leonard and
Courville 2013) for any Keras model, with no change to its layers.

The latent weights are kept within the range that the levels cover. Beyond it the gradient of the
quantized value says nothing of the latent one, which would drift too far out to come back.

What else writes a weight within a step has read the quantized one, and would go astray. Such a
weight keeps what was written, and trains without this from then on.

It stands inside `train_step`, not in the batch callbacks, since with `steps_per_execution > 1` one
call of a batch callback covers many steps. Each backend has its own way in.
"""

from __future__ import annotations

import keras

from bcq_tf.config import check_flag


def check_latent(latent) -> None:
    """Raises TypeError or ValueError where `latent` is no boolean, or the backend cannot do it."""
    check_flag("latent", latent)
    if latent and keras.backend.backend() not in ("tensorflow", "jax"):
        raise ValueError(
            "`latent=True` needs the TensorFlow or the JAX backend of Keras. "
            f"Received: latent=True on {keras.backend.backend()!r}"
        )


def train_latent(model, weights, codes, methods=()):
    """Makes a model train its weights straight through their codes.

    Args:
        model: a compiled Keras model, in `fit`, since its train function is made anew.
        weights: a tuple of `Chosen`.
        codes: {position: BinaryCodes}, the scales that the weights are projected onto.
        methods: others that the model is to have in its steps, see `Takeover`; none of those that
            a backend replaces.

    Returns:
        The `LatentTraining`, until whose `remove()` it is so.
    """
    if keras.backend.backend() == "jax":
        from bcq_tf.training.latent.on_jax import JaxTraining as Training
    else:
        from bcq_tf.training.latent.on_tensorflow import TensorFlowTraining as Training
    return Training(model, weights, codes, methods)
