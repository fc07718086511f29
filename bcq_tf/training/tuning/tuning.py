"""`tune`: a quantized model brought nearer to its floats by what is not signs.

A solve makes small what the errors of each weight do by themselves. What all of them do together
the outputs of the whole model tell: the scales of all codes, biases and normalization are trained
until these are those of the floats, on the samples that the solve had. That is distillation
(Hinton, Vinyals and Dean 2015), of scales end to end as in EfficientQAT (Chen et al. 2024).
"""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf

from bcq_tf._keras import as_array, keeping_states, mask_of
from bcq_tf.codes import BinaryCodes
from bcq_tf.models.calibration.counted import counted
from bcq_tf.models.calibration.loss_gradients import line_of
from bcq_tf.reports.progress import progress
from bcq_tf.selection.selection import Plan, Skipped
from bcq_tf.training.likeness import divergence
from bcq_tf.training.tuning.tuned_floats import TunedFloats
from bcq_tf.training.tuning.tuned_scales import TunedScales

# By how much of itself a step may move a scale, of the codes' relative error: 2e-3 where that is
# .26, with 3 bits. Twice as far with 4.5 bits, .09, takes the outputs away from the floats'.
RATE = 7.5e-3
WARM_UP = 8  # steps
HELD_OUT = 16  # of as many batches one tells how far the outputs are, and trains nothing


def tune(
    model,
    plan: Plan,
    codes: dict[int, BinaryCodes],
    relative_error: float,
    batches: list[tuple],
    epochs: int,
    verbose: bool = False,
) -> tuple[dict[int, BinaryCodes], dict[int, np.ndarray]]:
    """Trains what is not signs. The model, which holds the floats, is as before afterwards.

    Args:
        model: a built Keras model, on TensorFlow.
        plan: of its weights.
        codes: {position: codes} of those chosen.
        relative_error: what their values lack of the floats, the mean over all of them.
        batches: (x, y, sample weights) each, see `batches_of`; targets are not looked at.
        epochs: how often they are gone through, the best of which is kept.
        verbose: whether stderr shows how many steps are done.

    Returns:
        The codes by position, and the values of the weights without codes that were trained.

    Raises:
        ValueError: the quantized model's outputs are not finite, or an operation of the model has
            no gradient on this device.
    """
    tuning = _Tuning(model, plan, codes)
    try:
        return tuning.run(RATE * relative_error, batches, epochs, verbose)
    finally:
        tuning.put_floats()


class _Tuning:
    def __init__(self, model, plan: Plan, codes: dict[int, BinaryCodes]):
        self._model, self._divergence = model, divergence(model)
        self._scales = [TunedScales(weight, codes[weight.position]) for weight in plan.chosen]
        self._others = [TunedFloats(weight) for weight in plan.skipped if _is_tuned(weight)]
        self._all = [*self._scales, *self._others]
        self._variables = [tuned.weight.variable for tuned in self._all]
        self._floats = [tf.identity(variable.value) for variable in self._variables]
        self._changes = [change for tuned in self._all for change in tuned.changes]
        if not getattr(model, "run_eagerly", False):  # traced at most twice whatever the shapes
            for name in ("_outputs", "_train", "_put_codes"):
                compiled = tf.function(getattr(self, name), reduce_retracing=True, autograph=False)
                setattr(self, name, compiled)

    def run(
        self, rate: float, batches: list[tuple], epochs: int, verbose: bool
    ) -> tuple[dict, dict]:
        training, held_out = _divided(batches)
        steps, done = epochs * len(training), 0
        self._optimizer = _optimizer(steps, rate)
        self._optimizer.build(self._changes)
        order = np.random.default_rng(0)
        solved, at_first = self._result(), self._distance(held_out)
        best, least = solved, at_first
        if not np.isfinite(least):
            raise ValueError(
                f"`tune` needs finite outputs of the quantized model. Received: {least}"
            )
        with progress(f"tuning scales, {steps} steps", steps, verbose) as show:
            for _ in range(epochs):
                for i in order.permutation(len(training)):
                    self._step(training[i])
                    done += 1
                    show(done)
                distance = self._distance(held_out)
                if distance < least:
                    best, least = self._result(), distance
        if best is solved and steps > 0:
            warnings.warn(
                "`tune` brought the outputs no nearer to the floats', so that the codes stay as "
                f"they were solved. Received: a divergence of {at_first:.3g}, then {distance:.3g}",
                stacklevel=2,
            )
        return best

    def put_floats(self) -> None:
        for variable, value in zip(self._variables, self._floats, strict=True):
            variable.assign(value)

    def _result(self) -> tuple[dict, dict]:
        for tuned in self._others:
            tuned.put()
        values = {t.weight.position: np.array(as_array(t.weight.variable)) for t in self._others}
        return {t.weight.position: t.codes() for t in self._scales}, values

    def _distance(self, batches: list[tuple]) -> float:
        losses = []
        for batch in batches:
            x, wanted, weights = self._example(batch)
            found, _ = self._call(self._outputs, x)
            losses.append(float(self._divergence(wanted, found, weights)))
        return float(np.mean(losses))

    def _step(self, batch: tuple) -> None:
        example = self._example(batch)
        try:
            self._call(self._train, *example)
        except (tf.errors.OpError, LookupError) as error:
            raise ValueError(
                "`tune` needs a model of operations that have gradients on this device. "
                f"Received: {line_of(error)}"
            ) from error

    def _example(self, batch: tuple) -> tuple[object, list, list]:
        """(inputs, what the floats give for them, how much each position of it counts). The
        variables have the codes' values afterwards."""
        x = keras.tree.map_structure(_as_tensor, batch[0])
        self.put_floats()
        wanted, mask = self._call(self._outputs, x)
        self._put_codes()
        counts = [counted(output[..., 0], batch[0], batch[2], mask) for output in wanted]
        return x, wanted, counts

    def _call(self, function, *arguments):
        # The floats and the codes begin in the same states.
        with keeping_states(self._model):
            return function(*arguments)

    def _put_codes(self) -> None:
        for tuned in self._all:
            tuned.put()

    def _outputs(self, x) -> tuple[list, object]:
        outputs = keras.tree.flatten(self._model(x, training=False))
        return outputs, mask_of(outputs[0])

    def _train(self, x, wanted: list, weights: list) -> None:
        variables = [variable.value for variable in self._variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = self._divergence(wanted, self._outputs(x)[0], weights)
        found = tape.gradient(loss, variables, unconnected_gradients="zero")
        pairs = zip(self._all, found, strict=True)
        gradients = [g for tuned, of in pairs for g in tuned.gradients(tf.convert_to_tensor(of))]
        self._optimizer.apply(gradients, self._changes)


def _as_tensor(value):
    # A function is traced anew for each array.
    return tf.convert_to_tensor(value) if isinstance(value, np.ndarray) else value


def _is_tuned(weight: Skipped) -> bool:
    is_vector = weight.reason == "bias" or len(weight.variable.shape) < 2
    return is_vector and weight.variable.trainable


def _divided(batches: list[tuple]) -> tuple[list, list]:
    """(those to train with, those to measure by), all for both where there are few."""
    if len(batches) < HELD_OUT:
        return batches, batches
    held_out = batches[::HELD_OUT]
    return [batch for i, batch in enumerate(batches) if i % HELD_OUT], held_out


def _optimizer(steps: int, rate: float) -> keras.optimizers.Optimizer:
    warm_up = min(WARM_UP, steps // 2)
    rates = keras.optimizers.schedules.CosineDecay(
        rate / (warm_up + 1), steps - warm_up, warmup_target=rate, warmup_steps=warm_up
    )
    return keras.optimizers.Adam(rates, beta_2=0.99)
