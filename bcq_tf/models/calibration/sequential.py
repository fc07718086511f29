"""Weights one after the other, each for the inputs that it has once those before it are quantized.

So later layers make up for some of what earlier ones lose (Frantar et al. 2023; Li et al. 2025).
"""

from __future__ import annotations

import collections
from collections.abc import Callable

import numpy as np

from bcq_tf._keras import keeping_states, running_eagerly
from bcq_tf.models.calibration.lockstep import Lockstep
from bcq_tf.models.calibration.moments import Calibration, named
from bcq_tf.models.calibration.sums import Sums, sums_of
from bcq_tf.models.calibration.watch import Watch, replaced_calls
from bcq_tf.selection.selection import Chosen


def visit_in_order(calibration: Calibration, weights: list[Chosen], visit: Callable) -> None:
    """Calls visit(weight, moments, cross) for each of the weights, which gives it its new value.

    Weights that the model uses once are visited in the order in which it reaches them. Tables, and
    what is used never or more than once, come first, with the moments that they have in the model
    as it is.

    Args:
        calibration: the model and the samples; `counts` are set.
        weights: of the model.
        visit: moments are E[x x^T], [C, C], of the inputs x that the weight has then, or None where
            no sample reached it; cross is E[(u - x) x^T] with the inputs u that it had before, or
            None for weights that come first.
    """
    model, batches = calibration.model, calibration.batches
    tables = calibration.tables(weights)
    watch = Watch(model, [weight for weight in weights if weight.position not in tables])
    calls = _calls(model, batches[0], watch.layers)
    once = {layer: held for layer, held in watch.layers.items() if calls[layer] == 1}
    positions = collections.Counter(w.position for held in watch.layers.values() for _, w in held)
    in_order = {w.position for held in once.values() for _, w in held if positions[w.position] == 1}
    for weight, moments in list(calibration.of(w for w in weights if w.position not in in_order)):
        visit(weight, moments, None)
    layers = _InOrder(calibration, [w for w in weights if w.position in in_order], visit)
    if layers.all:
        with running_eagerly(), keeping_states(model):
            Lockstep(model, batches, layers.all, layers.visit).run()


class _InOrder:
    """Gathers what the weights of a layer are multiplied by when a run in lockstep is there."""

    def __init__(self, calibration: Calibration, weights: list[Chosen], visit: Callable):
        self._calibration, self._visit = calibration, visit
        self._watches = [Watch(calibration.model, weights) for _ in calibration.batches]
        for watch, batch in zip(self._watches, calibration.batches, strict=True):
            watch.begin(batch[0], batch[2])
        self.all = list(self._watches[0].layers)

    def visit(self, layer, now: list, before: list) -> None:
        found: dict[int, tuple[Chosen, Sums, np.ndarray]] = {}
        for watch, one, other in zip(self._watches, now, before, strict=True):
            pairs = zip(watch.rows(layer, *one), watch.rows(layer, *other), strict=True)
            for (weight, x), (_, was) in pairs:
                sums, cross = sums_of(x, weight.path), (was - x).T @ x
                if weight.position in found:
                    found[weight.position][1].add(sums)
                    found[weight.position][2][:] += cross
                else:
                    found[weight.position] = weight, sums, cross
        for _, weight in self._watches[0].layers[layer]:
            _, sums, cross = found.get(weight.position, (weight, None, None))
            self._calibration.counts[weight.position] = sums.count if sums else 0
            if sums and sums.count:
                self._visit(weight, sums.mean, cross / sums.count)
            else:
                self._visit(weight, None, None)


def _calls(model, batch: tuple, layers) -> collections.Counter:
    """How often the model calls each of the layers for a batch."""
    counts: collections.Counter = collections.Counter()

    def count(layer, call, *args, **kwargs):
        counts[layer] += 1
        return call(*args, **kwargs)

    with running_eagerly(), keeping_states(model), named(), replaced_calls(layers, count):
        model(batch[0], training=False)
    return counts
