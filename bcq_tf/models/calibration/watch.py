"""`Watch`: sums what weights are multiplied by while their model is called."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator

import keras
import numpy as np

from bcq_tf._keras import mask_of, replaced_methods, walk_layers
from bcq_tf.models.calibration.op_products import OpProducts, replaced_ops
from bcq_tf.models.calibration.product_inputs import Product, products
from bcq_tf.models.calibration.sums import NotFiniteInputError, Sums, add, sums_of
from bcq_tf.selection.selection import Chosen


def replaced_calls(layers, call):
    """A context in which each layer is called as call(layer, its own call, *arguments)."""
    calls = ((layer, functools.partial(call, layer, layer.call)) for layer in layers)
    return replaced_methods(*((layer, "call", function) for layer, function in calls))


@dataclasses.dataclass(frozen=True)
class _Call:
    """Of a layer, before what it means for the loss is known."""

    layer: object
    product: Product
    weight: Chosen
    x: object
    masks: list
    output: object


class Watch:
    """Looks at what some weights are multiplied by: in layers of known types at their inputs, in
    others at the products of `keras.ops` that they call.

    Args:
        model: a built Keras model.
        weights: those of it whose products are summed.
        weighted: whether inputs count by the gradients of a loss at what is made of them; `add`
            must be called after each batch then.

    Attributes:
        layers: those of known types.
    """

    def __init__(self, model, weights: list[Chosen], weighted: bool = False):
        self._by_inputs: dict[int, Sums] = {}
        self._by_loss: dict[int, Sums] = {}
        self.layers: dict = {}
        self._weighted = weighted
        self._calls: list[_Call] = []
        self._before_activation: dict = {}
        self._masks: list = []
        self._seen: dict = {}
        self._failure: NotFiniteInputError | None = None
        by_variable = {id(weight.variable): weight for weight in weights}
        for layer in walk_layers(model):
            for product in products(layer):
                weight = by_variable.get(id(getattr(layer, product.attribute, None)))
                if weight is not None:
                    self.layers.setdefault(layer, []).append((product, weight))
        known = {weight.position for held in self.layers.values() for _, weight in held}
        self._others = OpProducts([w for w in weights if w.position not in known])

    def __bool__(self):
        return bool(self.layers or self._others)

    @contextlib.contextmanager
    def watching(self):
        """A context in which calls of the layers are looked at."""
        activated = [
            layer for layer in self.layers if self._weighted and _ends_in_activation(layer)
        ]
        functions = (functools.partial(self._activate, la, la.activation) for la in activated)
        replaced = ((la, "activation", f) for la, f in zip(activated, functions, strict=True))
        with contextlib.ExitStack() as stack:
            stack.enter_context(replaced_calls(self.layers, self._call))
            stack.enter_context(replaced_methods(*replaced))
            if self._others:
                stack.enter_context(replaced_ops(self._operate))
            yield

    @property
    def sums(self) -> dict[int, Sums]:
        """Of the weights that a sample has reached, by their positions."""
        return self._by_inputs | self._by_loss

    @property
    def outputs(self) -> list:
        """What the products of this batch made, before activations, where it is to be weighted."""
        return [call.output for call in self._calls]

    def begin(self, x, sample_weights=None) -> None:
        """To be called before each batch: of the model's inputs, and the weights of its outputs."""
        self._calls.clear()
        self._seen.clear()  # by id, of tensors that are gone
        self._others.begin()
        mask = x.get("padding_mask") if isinstance(x, dict) else None  # KerasHub's
        given = mask, sample_weights
        self._masks = [keras.ops.convert_to_numpy(m) != 0 for m in given if hasattr(m, "shape")]

    def add(self, gradients: list) -> None:
        """Adds the inputs of this batch, of the gradients of a loss at `outputs`; None where the
        loss does not depend on one, whose inputs count alike if no other of the weight's does."""
        for call, gradient in zip(self._calls, gradients, strict=True):
            self._add(call, gradient)
        self._calls.clear()

    def _activate(self, layer, activation, x):
        self._before_activation[layer] = x
        return activation(x)

    def _call(self, layer, call, *args, **kwargs):
        given = [
            (*found, self._masks_of(found[-1])) for found in self._products(layer, args, kwargs)
        ]
        output = call(*args, **kwargs)
        output = self._before_activation.pop(layer, output), output
        for product, weight, x, masks in given:
            self._keep(_Call(layer, product, weight, x, masks, output[0]))
        return output[1]

    def _operate(self, name, function, *args, **kwargs):
        found = self._others.found(name, args)
        output = function(*args, **kwargs)
        self._others.add(name, args, output)
        if found and not _is_traced(found[3]):
            product, layer, weight, x, masked = found
            masks = self._masks_of(x) if masked else []
            self._keep(_Call(layer, product, weight, x, masks, output))
        return output

    def _keep(self, call: _Call) -> None:
        if self._weighted and call.product.outputs is not None:
            self._calls.append(call)
        else:
            self._add(call)

    def rows(self, layer, args: tuple, kwargs: dict) -> Iterator[tuple[Chosen, np.ndarray]]:
        """The weights of a layer, and what each is multiplied by in a call with these arguments,
        float32 [N, C]."""
        for product, weight, x in self._products(layer, args, kwargs):
            yield weight, _rows(_Call(layer, product, weight, x, self._masks_of(x), None))[0]

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

    def _add(self, call: _Call, gradient=None) -> None:
        try:
            weighted = None if gradient is None else self._weighted_sums(call, gradient)
            known = self._by_inputs if weighted is None else self._by_loss
            add(known, call.weight.position, weighted or self._sums(call))
        except NotFiniteInputError as error:
            # Keras would add to what is raised within a call.
            self._failure = self._failure or error

    def _weighted_sums(self, call: _Call, gradient) -> Sums | None:
        rows, squares = _rows(call, gradient)
        # A layer of the user's own may make something else of its product.
        return None if squares is None else sums_of(rows, call.weight.path, squares)

    def _sums(self, call: _Call) -> Sums:
        path, product = call.weight.path, call.product
        # Of an input that several weights are multiplied by, once.
        equation = getattr(call.layer, "equation", None)
        key = id(call.x), product.rows, equation, call.weight.view.columns
        if key not in self._seen:
            self._seen.clear()  # they are called one after the other, if at all
            self._seen[key] = call.x, sums_of(_rows(call)[0], path)
        table = product.reverse and product.attribute == "embeddings"
        return dataclasses.replace(self._seen[key][1], looked_up=table)

    def _masks_of(self, x) -> list[np.ndarray]:
        """The masks that may be those of x, as far as they are known when it is met."""
        mask = mask_of(x)
        if mask is None:
            return list(self._masks)  # layers of arithmetic lose the mask that their input had
        self._masks.append(keras.ops.convert_to_numpy(mask))
        return self._masks[-1:]


def _rows(call: _Call, gradient=None) -> tuple[np.ndarray, np.ndarray | None]:
    """What a weight is multiplied by, float32 [N, C], and of each row the square of the gradient
    at all that is made of it, [N]; None where that is not one array for each row."""
    layer, product, view = call.layer, call.product, call.weight.view
    rows = product.rows(layer, view, _numpy(call.x))
    squares = None
    if gradient is not None:
        squares = _squares_beside(rows, product, layer, view, _numpy(gradient))
    mask = _fitting(call.masks, rows.shape[:-1])
    rows = rows.reshape(-1, rows.shape[-1])
    if mask is None:
        return rows, squares
    return rows[mask], None if squares is None else squares[mask]


def _squares_beside(rows, product: Product, layer, view, gradient) -> np.ndarray | None:
    try:
        made = product.outputs(layer, view, gradient)
    except ValueError:  # fewer axes, or of other sizes, than its outputs have
        return None
    if made.ndim < rows.ndim or made.shape[: rows.ndim - 1] != rows.shape[:-1]:
        return None
    made = made.reshape(*rows.shape[:-1], -1)
    return np.einsum("...m,...m->...", made, made).reshape(-1)


def _fitting(masks: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray | None:
    """Which rows of this shape count, bool [N], or None for all."""
    fitting = [m for m in masks if m.shape == shape[: m.ndim]]
    if not fitting or any(not np.array_equal(m, fitting[0]) for m in fitting):
        return None
    first = fitting[0].reshape(fitting[0].shape + (1,) * (len(shape) - fitting[0].ndim))
    return np.broadcast_to(first, shape).reshape(-1)


def _numpy(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)


def _ends_in_activation(layer) -> bool:
    """Whether a layer's outputs are those of its activation, whose inputs are of its products."""
    known = any(product.outputs is not None for product in products(layer))
    return known and callable(getattr(layer, "activation", None))


def _is_traced(x) -> bool:
    """Whether x has no values: JAX traces the steps of recurrent layers."""
    return keras.backend.backend() == "jax" and "Tracer" in type(x).__name__
