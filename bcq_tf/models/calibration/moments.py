"""`Calibration`: the second moments of what each weight of a model is multiplied by."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from bcq_tf._keras import mask_of, replaced_methods, running_eagerly, walk_layers
from bcq_tf.models.calibration.product_inputs import Product, looked_up, products
from bcq_tf.selection.selection import Chosen
from bcq_tf.shown import short

LIMIT_BYTES = 1 << 30  # of moments that are held at once
ENOUGH = 4  # samples a column: fewer leave moments that are mostly noise


@dataclasses.dataclass
class Moments:
    """Of the inputs x [..., C] of a product.

    Args:
        total: the sum of x x^T, float32 [C, C].
        count: how many x there are.
        looked_up: whether rows of the weight are also looked up, where each error counts alone.
    """

    total: np.ndarray
    count: int
    looked_up: bool

    @property
    def mean(self) -> np.ndarray:
        """E[x x^T], [C, C]; where rows are looked up with as much weight for each error alone."""
        mean = self.total / np.float32(max(1, self.count))
        size = np.trace(mean) / len(mean)
        return mean + size * np.eye(len(mean), dtype=np.float32) if self.looked_up else mean


class Calibration:
    """The moments of a model's products on samples of its data.

    Positions that a Keras mask hides do not count. The model is run layer by layer, as often as it
    takes to hold no more than `LIMIT_BYTES` of moments at once.

    Args:
        model: a built Keras model.
        batches: inputs of the model, see `input_batches`.

    Attributes:
        counts: {position: samples that reached the product} of the weights looked at so far, 0 for
            those in layers of unknown types, looked up only or not used.
    """

    def __init__(self, model, batches: list):
        self.model, self.batches = model, batches
        self.counts: dict[int, int] = {}

    def of(self, weights: Iterable[Chosen]) -> Iterator[tuple[Chosen, np.ndarray | None]]:
        """Each of the weights, in their order, with E[x x^T], None where no sample reached it.

        Raises:
            ValueError: the model does not take a batch, or a product's input holds NaN or Inf.
        """
        for stage in _stages(weights):
            found = self._collect(stage)
            for weight in stage:
                moments = found.pop(weight.position, None)
                self.counts[weight.position] = moments.count if moments else 0
                yield weight, moments.mean if moments and moments.count else None

    def warn(self, weights: Iterable[Chosen]) -> None:
        """Says of which weights there was nothing, or too little, to learn."""
        tables = {id(v) for layer in walk_layers(self.model) for v in looked_up(layer)}
        missed, few = [], []
        for weight in weights:
            count, enough = self.counts[weight.position], ENOUGH * weight.view.matrix_shape[1]
            if count == 0 and id(weight.variable) not in tables:
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
            warnings.warn(
                f"`calibration` has too few samples for {len(few)} weights: {few[0]}", stacklevel=3
            )

    def _collect(self, weights: list[Chosen]) -> dict[int, Moments]:
        watch = _Watch(self.model, weights)
        if watch.layers:
            with replaced_methods(*watch.methods()), running_eagerly():
                for batch in self.batches:
                    watch.begin(batch)
                    _run(self.model, batch)
        return watch.moments


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


def _run(model, batch) -> None:
    try:
        model(batch, training=False)
    except _NotFiniteInputError:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"`calibration` must hold batches that the model takes. Received: {first}"
        ) from error


class _NotFiniteInputError(ValueError):
    pass


class _Watch:
    """Sums the products of the layers that hold some weights, while the model is called."""

    def __init__(self, model, weights: list[Chosen]):
        self.moments: dict[int, Moments] = {}
        self.layers: dict = {}
        self._masks: list = []
        self._seen: dict = {}
        by_variable = {id(weight.variable): weight for weight in weights}
        for layer in walk_layers(model):
            for product in products(layer):
                weight = by_variable.get(id(getattr(layer, product.attribute, None)))
                if weight is not None:
                    self.layers.setdefault(layer, []).append((product, weight))

    def methods(self) -> list[tuple]:
        """See `replaced_methods`: calls that look at their arguments first."""
        return [
            (layer, "call", functools.partial(self._call, layer, layer.call))
            for layer in self.layers
        ]

    def begin(self, batch) -> None:
        """To be called before each batch."""
        self._seen.clear()  # by id, of tensors that are gone
        mask = batch.get("padding_mask") if isinstance(batch, dict) else None  # KerasHub's
        self._masks = [] if mask is None else [keras.ops.convert_to_numpy(mask) != 0]

    def _call(self, layer, call, *args, **kwargs):
        for product, weight in self.layers[layer]:
            if bool(kwargs.get("reverse")) == product.reverse:
                self._add(layer, product, weight, (*args, *kwargs.values()))
        return call(*args, **kwargs)

    def _add(self, layer, product: Product, weight: Chosen, arguments) -> None:
        x = product.argument(arguments)
        key = id(x), product.rows, getattr(layer, "equation", None), weight.view.columns
        if key not in self._seen:
            self._seen[key] = x, *self._sums(layer, product, weight, x)
        _, total, count = self._seen[key]
        moments = self.moments.get(weight.position)
        if moments is None:
            table = product.reverse and product.attribute == "embeddings"
            self.moments[weight.position] = Moments(total.copy(), count, looked_up=table)
            return
        moments.total += total
        moments.count += count

    def _sums(self, layer, product: Product, weight: Chosen, x) -> tuple[np.ndarray, int]:
        value = np.asarray(keras.ops.convert_to_numpy(x), np.float32)
        rows = product.rows(layer, weight.view, value)
        mask = self._mask(x, rows.shape[:-1])
        rows = rows.reshape(-1, rows.shape[-1])
        if mask is not None:
            rows = rows[mask.reshape(-1)]
        total = rows.T @ rows
        if not np.isfinite(total).all():
            raise _NotFiniteInputError(
                "`calibration` must give finite inputs of every product. Received: NaN or Inf in "
                f"what weight {weight.path!r} is multiplied by"
            )
        return total, len(rows)

    def _mask(self, x, shape):
        """Which rows of this shape count, bool of the shape, or None for all."""
        mask = mask_of(x)
        if mask is not None:
            mask = keras.ops.convert_to_numpy(mask)
            self._masks.append(mask)
        # Layers of arithmetic lose the mask that their input had.
        known = [mask] if mask is not None else self._masks
        fitting = [m for m in known if m.shape == shape[: m.ndim]]
        if not fitting or any(not np.array_equal(m, fitting[0]) for m in fitting):
            return None
        first = fitting[0].reshape(fitting[0].shape + (1,) * (len(shape) - fitting[0].ndim))
        return np.broadcast_to(first, shape)
