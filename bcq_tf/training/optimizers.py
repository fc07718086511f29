"""The optimizers that step a model, and how many steps they take in `fit`."""

from __future__ import annotations

import keras

from bcq_tf._keras import optimizer_progress, walk_layers


def optimizers_of(model) -> list[keras.optimizers.Optimizer]:
    """`model.optimizer` and those that the model or a layer inside it has as attributes, once each.

    Lists, tuples and mappings of optimizers count too. An optimizer inside a LossScaleOptimizer
    is not listed beside it.
    """
    found = {}
    for layer in walk_layers(model):
        for value in vars(layer).values():
            for optimizer in _optimizers_in(value):
                found[id(optimizer)] = optimizer
    inner = {id(getattr(optimizer, "inner_optimizer", None)) for optimizer in found.values()}
    return [optimizer for key, optimizer in found.items() if key not in inner]


def steps_of(optimizer) -> int:
    """The steps that an optimizer has taken; 0 where there is none."""
    return 0 if optimizer is None else optimizer_progress(optimizer)[0]


def averages(optimizer) -> bool:
    """Whether an optimizer averages the weights; Keras puts that in place when training ends."""
    return bool(getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False))


def _optimizers_in(value) -> list[keras.optimizers.Optimizer]:
    if isinstance(value, dict):
        value = list(value.values())
    values = value if isinstance(value, (list, tuple)) else [value]
    return [each for each in values if isinstance(each, keras.optimizers.Optimizer)]


class StepCounter:
    """Counts a model's optimizer steps from where its optimizers stand.

    Where several optimizers step, the one that steps most counts. Where none that is known does
    (a `train_step` may hold its own anywhere), each batch counts as a step.

    On JAX the variables must be in step, see `bcq_tf._keras.sync_variables`.

    least: steps that are known to have been taken. Attribute `count`: the steps so far.
    """

    def __init__(self, model, least: int = 0):
        self._optimizers = optimizers_of(model)
        self._progress = self._read()
        self.count = max(least, *(steps for steps, _ in self._progress), 0)
        self._first_batch = 0

    def begin(self, batch: int) -> None:
        """To be called before an execution with the index of its first batch."""
        self._first_batch = batch

    def end(self, batch: int, batches: int | None) -> int:
        """Adds the steps of an execution; returns `count`.

        batch: the index of its last batch, as if an epoch's last execution were a whole one.
        batches: the number of batches in an epoch, None where it is not known.
        """
        before, self._progress = self._progress, self._read()
        if before != self._progress:
            pairs = zip(before, self._progress, strict=True)
            self.count += max(steps - earlier for (earlier, _), (steps, _) in pairs)
        else:
            end = batch + 1 if batches is None else min(batch + 1, batches)
            self.count += max(end - self._first_batch, 1)
        self._first_batch = batch + 1
        return self.count

    def _read(self) -> list[tuple]:
        return [optimizer_progress(optimizer) for optimizer in self._optimizers]
