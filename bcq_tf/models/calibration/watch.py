"""`Watch`: sums what weights are multiplied by while their model is called."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import keras
import numpy as np

from bcq_tf._keras import mask_of, replaced_methods, walk_layers
from bcq_tf.models.calibration.product_inputs import Product, products
from bcq_tf.models.calibration.sums import NotFiniteInputError, Sums, add, sums_of
from bcq_tf.selection.selection import Chosen


def replaced_calls(layers, call):
    """A context in which each layer is called as call(layer, its own call, *arguments)."""
    calls = ((layer, functools.partial(call, layer, layer.call)) for layer in layers)
    return replaced_methods(*((layer, "call", function) for layer, function in calls))


class Watch:
    """Looks at the inputs of the layers that hold some weights.

    Args:
        model: a built Keras model.
        weights: those of it whose products are summed.

    Attributes:
        layers: those that are watched.
        sums: {position: `Sums`} of the weights that a sample has reached.
    """

    def __init__(self, model, weights: list[Chosen]):
        self.sums: dict[int, Sums] = {}
        self.layers: dict = {}
        self._masks: list = []
        self._seen: dict = {}
        self._failure: NotFiniteInputError | None = None
        by_variable = {id(weight.variable): weight for weight in weights}
        for layer in walk_layers(model):
            for product in products(layer):
                weight = by_variable.get(id(getattr(layer, product.attribute, None)))
                if weight is not None:
                    self.layers.setdefault(layer, []).append((product, weight))

    def watching(self):
        """A context in which calls of the layers are looked at."""
        return replaced_calls(self.layers, self._call)

    def begin(self, x, sample_weights=None) -> None:
        """To be called before each batch: of the model's inputs, and the weights of its outputs."""
        self._seen.clear()  # by id, of tensors that are gone
        mask = x.get("padding_mask") if isinstance(x, dict) else None  # KerasHub's
        given = mask, sample_weights
        self._masks = [keras.ops.convert_to_numpy(m) != 0 for m in given if hasattr(m, "shape")]

    def _call(self, layer, call, *args, **kwargs):
        for product, weight, x in self._products(layer, args, kwargs):
            self._add(layer, product, weight, x)
        return call(*args, **kwargs)

    def rows(self, layer, args: tuple, kwargs: dict) -> Iterator[tuple[Chosen, np.ndarray]]:
        """The weights of a layer, and what each is multiplied by in a call with these arguments,
        float32 [N, C]."""
        for product, weight, x in self._products(layer, args, kwargs):
            yield weight, self._rows(layer, product, weight, x)

    def _products(self, layer, args: tuple, kwargs: dict):
        for product, weight in self.layers[layer]:
            if bool(kwargs.get("reverse")) == product.reverse:
                x = product.argument((*args, *kwargs.values()))
                if not _is_traced(x):
                    yield product, weight, x

    def check(self) -> None:
        """Raises NotFiniteInputError where a product's input was not finite."""
        if self._failure is not None:
            raise self._failure

    def _add(self, layer, product: Product, weight: Chosen, x) -> None:
        try:
            add(self.sums, weight.position, self._sums(layer, product, weight, x))
        except NotFiniteInputError as error:
            # Keras would add to what is raised within a call.
            self._failure = self._failure or error

    def _sums(self, layer, product: Product, weight: Chosen, x) -> Sums:
        # Of an input that several weights are multiplied by, once.
        key = id(x), product.rows, getattr(layer, "equation", None), weight.view.columns
        if key not in self._seen:
            self._seen.clear()  # they are called one after the other, if at all
            self._seen[key] = x, sums_of(self._rows(layer, product, weight, x), weight.path)
        table = product.reverse and product.attribute == "embeddings"
        return dataclasses.replace(self._seen[key][1], looked_up=table)

    def _rows(self, layer, product: Product, weight: Chosen, x) -> np.ndarray:
        value = np.asarray(keras.ops.convert_to_numpy(x), np.float32)
        rows = product.rows(layer, weight.view, value)
        mask = self._mask(x, rows.shape[:-1])
        rows = rows.reshape(-1, rows.shape[-1])
        return rows if mask is None else rows[mask.reshape(-1)]

    def _mask(self, x, shape) -> np.ndarray | None:
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


def _is_traced(x) -> bool:
    """Whether x has no values: JAX traces the steps of recurrent layers."""
    return keras.backend.backend() == "jax" and "Tracer" in type(x).__name__
