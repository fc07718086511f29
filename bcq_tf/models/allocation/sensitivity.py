"""`sensitivity`: what a model's loss becomes with one weight quantized, to so many bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import keras
import numpy as np

from bcq_tf._keras import as_array, keeping_states, running_eagerly
from bcq_tf.config import BCQConfig, check_bits, make_config
from bcq_tf.models.allocation.allocation import BITS
from bcq_tf.models.allocation.costs import expected_loss
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.models.calibration.sums import moments_of
from bcq_tf.reports.listing import as_text, listing, times
from bcq_tf.reports.progress import progress
from bcq_tf.selection.selection import Chosen, select
from bcq_tf.solvers import quantize


@dataclasses.dataclass(frozen=True)
class Line:
    """A weight with a number of bits.

    Attributes:
        path, shape: of the weight.
        bits: the number of bits.
        nbytes: what its codes take.
        expected: how much larger the loss is by its second derivatives, see `bcq_tf.allocate`.
        measured: how much larger it was with this weight quantized alone; None if not measured.
    """

    path: str
    shape: tuple[int, ...]
    bits: int
    nbytes: int
    expected: float
    measured: float | None


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """What `sensitivity` found; `print` lists it, `to_dict()` is for machines.

    Attributes:
        lines: of each weight and number of bits.
        loss: of the float model on the samples; None if not measured.
    """

    lines: tuple[Line, ...]
    loss: float | None

    def to_dict(self) -> dict:
        """The result as JSON-able data."""
        return {"loss": self.loss, "weights": [dataclasses.asdict(line) for line in self.lines]}

    def __str__(self) -> str:
        rows = (
            (
                line.path,
                times(line.shape),
                str(line.bits),
                f"{line.nbytes:,}",
                f"{line.expected:.3g}",
                "" if line.measured is None else f"{line.measured:.3g}",
            )
            for line in self.lines
        )
        columns = "weight", "shape", "bits", "bytes", "expected", "measured"
        title = "Loss more with one weight quantized" + (
            "" if self.loss is None else f"; it is {self.loss:.4g} with floats"
        )
        return as_text(listing(title, *columns, rows=rows))


def sensitivity(
    model,
    calibration,
    *,
    bits: Iterable[int] = BITS,
    config: BCQConfig | None = None,
    rules=None,
    batch_size: int = 32,
    measure: bool = True,
    verbose: bool = False,
) -> Sensitivity:
    """How much the loss grows with each weight alone quantized to each number of bits.

    Args:
        model: a built Keras model, compiled with a loss, on the TensorFlow backend. It is as it was
            afterwards.
        calibration, batch_size: samples, see `bcq_tf.quantize_model`; with targets to measure.
        bits: the numbers of bits.
        config, rules: which weights, and how, see `bcq_tf.select`.
        measure: whether the loss is measured, too: the model is run on all samples once for each
            weight and number of bits.
        verbose: whether stderr shows how far it is.

    Returns:
        A `Sensitivity`.

    Raises:
        ValueError, TypeError: an argument breaks its rule, or there is nothing to measure by.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8)])
        >>> model.compile(loss="mse")
        >>> x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
        >>> found = bcq_tf.sensitivity(model, (x, model.predict(x, verbose=0)), bits=(1, 2))
        >>> [line.bits for line in found.lines], found.lines[0].measured > found.lines[1].measured
        ([1, 2], True)
    """
    bits = tuple(sorted({check_bits(b) for b in bits}))
    plan = select(model, make_config(config), rules)
    batches = batches_of(model, calibration, batch_size)
    if measure and any(y is None for _, y, _ in batches):
        raise ValueError("`calibration` must have targets to measure by. Received: inputs alone")
    samples = Calibration(model, batches, squares=True)
    loss = _loss(model, batches) if measure else None
    lines: list[Line] = []
    total = len(plan.chosen)
    with progress(f"quantizing {total} weights, one at a time", total, verbose) as show:
        for done, (weight, uses) in enumerate(samples.uses(plan.chosen), 1):
            configs = [dataclasses.replace(weight.config, bits=b) for b in bits]
            lines += _lines(weight, uses, configs, samples, loss)
            show(done)
    return Sensitivity(tuple(lines), loss)


def _lines(weight: Chosen, uses: list, configs: list, samples: Calibration, loss) -> list[Line]:
    before = as_array(weight.variable).copy()
    matrix = weight.view.to_matrix(before)
    moments = moments_of(uses) if uses else None
    found = []
    try:
        for config in configs:
            codes = quantize(matrix, config=config, effort="low", moments=moments)
            value, more = codes.reconstruct(), None
            if loss is not None:
                weight.variable.assign(weight.view.from_matrix(value))
                more = _loss(samples.model, samples.batches) - loss
            lost = expected_loss(uses, samples.samples, matrix - value)
            found.append(
                Line(weight.path, weight.view.shape, config.bits, codes.nbytes, lost, more)
            )
    finally:
        weight.variable.assign(before)
    return found


def _loss(model, batches: list) -> float:
    """The mean of the loss over all samples, weighted as in `evaluate`."""
    total = count = 0.0
    with running_eagerly(), keeping_states(model):
        for x, y, weights in batches:
            predicted = model(x, training=False)
            value = model.compute_loss(
                x=x, y=y, y_pred=predicted, sample_weight=weights, training=False
            )
            rows = len(keras.tree.flatten(y)[0])
            total, count = total + rows * float(value), count + rows
    return float(np.float64(total) / count)
