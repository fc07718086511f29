"""`Calibration`: the second moments of what each weight of a model is multiplied by."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from bcq_tf._keras import keeping_states, running_eagerly
from bcq_tf.models.calibration import output_gradients
from bcq_tf.models.calibration.loss_gradients import LossGradients, NoGradientError
from bcq_tf.models.calibration.product_inputs import tables
from bcq_tf.models.calibration.sums import NotFiniteInputError, Use, moments_of
from bcq_tf.models.calibration.watch import Watch
from bcq_tf.selection.selection import Chosen
from bcq_tf.shown import short
from bcq_tf.solvers import NotFiniteError

LIMIT_BYTES = 1 << 30  # of moments that are held at once
ENOUGH = 4  # samples a column: fewer leave moments that are mostly noise


class Calibration:
    """The moments of a model's products on samples of its data.

    Positions do not count that a Keras mask hides, a sample weight of zero or KerasHub's
    `padding_mask`. The model is run layer by layer, as often as it
    takes to hold no more than `LIMIT_BYTES` of moments at once.

    Where the model is compiled with a known loss, an input counts by how much what is made of it
    matters, by the squared gradients there (GuidedQuant, Kim et al. 2025), and what an error in a
    row that is looked up costs is known, see `loss_gradients`; elsewhere all inputs count alike.

    Args:
        model: a built Keras model.
        batches: (x, y, sample weights) each, see `batches_of`.
        squares: whether the uses of all weights tell what the loss says of their rows; the model
            must be compiled with a loss then.

    Attributes:
        counts: {position: samples that reached the product} of the weights looked at so far, 0 for
            those in layers of unknown types, and those not used.
        samples: that the squares of the uses are sums over.
    """

    def __init__(self, model, batches: list, squares: bool = False):
        self.model, self.batches = model, batches
        self.counts: dict[int, int] = {}
        self.samples = 0.0
        on_tensorflow = keras.backend.backend() == "tensorflow"
        self._sample = output_gradients.drawn(model) if on_tensorflow else None
        self._squares = squares
        self._kept: tuple[list[int], dict] = [], {}
        if squares and self._sample is None:
            self._sample = output_gradients.of_data(model) if on_tensorflow else None
            if self._sample is None:
                raise ValueError(
                    "`model` must be compiled with a loss, on the TensorFlow backend, to tell what "
                    f"errors cost. Received: model '{model.name}'"
                )

    def of(self, weights: Iterable[Chosen]) -> Iterator[tuple[Chosen, np.ndarray | None]]:
        """Each of the weights, in their order, with E[x x^T], of inputs that count as much as the
        class says, None where no sample reached it.

        Raises:
            ValueError: the model does not take a batch, or a product's input holds NaN or Inf.
        """
        for weight, uses in self.uses(weights):
            seen = [use for use in uses if use.sums.count]
            yield weight, moments_of(seen) if seen else None

    def uses(self, weights: Iterable[Chosen]) -> Iterator[tuple[Chosen, list[Use]]]:
        """Each of the weights, in their order, with what samples tell of its uses; see `of`."""
        stages = _stages(weights)
        for stage in stages:
            found = dict(self._once(stage) if len(stages) == 1 else self._collect(stage))
            for weight in stage:
                uses = found.pop(weight.position, [])
                self.counts[weight.position] = sum(use.sums.count for use in uses)
                yield weight, uses

    def tables(self, weights: Iterable[Chosen]) -> set[int]:
        """The positions of those whose rows are looked up."""
        theirs = tables(self.model)
        return {weight.position for weight in weights if id(weight.variable) in theirs}

    def warn(self, weights: Iterable[Chosen]) -> None:
        """Says of which weights there was nothing, or too little, to learn."""
        theirs = self.tables(weights)
        missed, few = [], []
        for weight in weights:
            count, enough = self.counts[weight.position], ENOUGH * weight.view.matrix_shape[1]
            if count == 0 and (self._sample or weight.position not in theirs):
                missed.append(weight.path)
            elif 0 < count < enough:
                few.append(f"{weight.path!r} has {count}, of {enough} that help")
        if missed:
            warnings.warn(
                "`calibration` says nothing of some weights, which are solved without it: "
                f"{short(missed)}",
                stacklevel=3,
            )
        if few:
            weights = "1 weight" if len(few) == 1 else f"{len(few)} weights"
            warnings.warn(
                f"`calibration` has too few samples for {weights}: {few[0]}", stacklevel=3
            )

    def _once(self, stage: list[Chosen]) -> dict[int, list[Use]]:
        # Where the moments of all weights can be held they are, for a second look.
        positions = [weight.position for weight in stage]
        if self._kept[0] != positions:
            self._kept = positions, self._collect(stage)
        return self._kept[1]

    def _collect(self, weights: list[Chosen]) -> dict[int, list[Use]]:
        try:
            return self._collected(weights)
        except NoGradientError as error:
            if self._squares:
                raise ValueError(
                    f"`model` must have a loss with gradients on this device. Received: {error}"
                ) from error
            warnings.warn(
                "`calibration` counts all inputs alike, as the loss has no gradient on this "
                f"device: {error}",
                stacklevel=2,
            )
            self._sample = None
            return self._collected(weights)

    def _collected(self, weights: list[Chosen]) -> dict[int, list[Use]]:
        loss = None
        if self._sample:
            loss = LossGradients(self.model, weights, self._sample, self._squares)
        theirs = loss.tables if loss else set()
        watch = Watch(self.model, [w for w in weights if w.position not in theirs], bool(loss))
        with contextlib.ExitStack() as stack:
            stack.enter_context(running_eagerly())
            stack.enter_context(keeping_states(self.model))
            stack.enter_context(watch.watching())
            if loss:
                stack.enter_context(loss.watching())
            for batch in self.batches if watch or theirs or self._squares else ():
                watch.begin(batch[0], batch[2])
                with named():
                    if loss:
                        loss.add(batch, watch)
                    else:
                        self.model(batch[0], training=False)
                watch.check()
        return self._found(watch, loss, theirs)

    def _found(self, watch: Watch, loss: LossGradients | None, theirs: set[int]) -> dict:
        found = {position: [Use(sums)] for position, sums in watch.sums.items()}
        if self._squares:
            self.samples = loss.samples
            for position, (use,) in found.items():
                size = np.trace(use.sums.mean, dtype=np.float64)
                use.squares = loss.squares(position) / (size or 1)
            found |= {p: [use] for p, use in loss.unseen(found).items()}
        return found | {position: loss.uses(position) for position in theirs}


@contextlib.contextmanager
def named():
    """A context in which the model's own errors are said to be those of the data."""
    try:
        yield
    except (NotFiniteInputError, NotFiniteError, NoGradientError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"`calibration` must hold batches that the model takes. Received: {lines[0]}"
        ) from error


def _stages(weights: Iterable[Chosen]) -> list[list[Chosen]]:
    stages, nbytes = [], LIMIT_BYTES
    for weight in weights:
        size = 4 * weight.view.matrix_shape[1] ** 2
        if nbytes + size > LIMIT_BYTES:
            stages.append([])
            nbytes = 0
        stages[-1].append(weight)
        nbytes += size
    return stages
