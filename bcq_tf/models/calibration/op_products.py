"""Products that layers of other types make of their weights: those of `keras.ops`.

A mixture of experts multiplies by the kernels of all experts in one `einsum`, perhaps after a cast;
layers of users' own call `matmul`.
"""

from __future__ import annotations

import contextlib
import functools
import string
import types

import keras

from bcq_tf.models.calibration.product_inputs import EINSUM
from bcq_tf.selection.selection import Chosen

_PRODUCTS = "einsum", "matmul"
_COPIES = "cast", "convert_to_tensor"


@contextlib.contextmanager
def replaced_ops(call):
    """In this context those of `keras.ops` are called as call(name, the op itself, *arguments)."""
    before = {name: getattr(keras.ops, name) for name in (*_PRODUCTS, *_COPIES)}
    try:
        for name, function in before.items():
            setattr(keras.ops, name, functools.partial(call, name, function))
        yield
    finally:
        for name, function in before.items():
            setattr(keras.ops, name, function)


class OpProducts:
    """Finds some weights among the operands of products.

    Args:
        weights: those that are looked for.
    """

    def __init__(self, weights: list[Chosen]):
        self._weights = {id(weight.variable): weight for weight in weights}
        self._copies: dict[int, tuple] = {}  # by id; the copy is held, so that it stays its own

    def __bool__(self):
        return bool(self._weights)

    def begin(self) -> None:
        """Forgets copies; to be called before the model is."""
        self._copies.clear()

    def add(self, name: str, arguments: tuple, output) -> None:
        """Remembers what an op made of one of the weights, if that is a copy."""
        weight = self._weight_of(arguments[0]) if name in _COPIES and arguments else None
        if weight is not None:
            self._copies[id(output)] = weight, output

    def found(self, name: str, arguments: tuple) -> tuple | None:
        """(product, what stands for its layer, weight, x, whether masks of x are those of its rows)
        of a call; None where it multiplies none of the weights, or sums over other axes than those
        that are their columns."""
        operands = [one for one in arguments if not isinstance(one, str)]
        known = [self._weight_of(one) for one in operands]
        if name not in _PRODUCTS or len(operands) != 2 or known.count(None) != 1:
            return None
        terms = _einsum_terms(*arguments) if name == "einsum" else _matmul_terms(*operands)
        if terms is None:
            return None
        place = known.index(None)
        weight, inputs, own, result = known[1 - place], terms[place], terms[1 - place], terms[2]
        summed = {axis for axis, label in enumerate(own) if label not in result}
        if summed != set(weight.view.columns) or any(own[axis] not in inputs for axis in summed):
            return None
        layer = types.SimpleNamespace(equation=f"{inputs},{own}->{result}")
        shared = set(inputs) & set(own) & set(result)
        return EINSUM, layer, weight, operands[place], not shared

    def _weight_of(self, operand) -> Chosen | None:
        known = self._weights.get(id(operand))
        return known or self._copies.get(id(operand), (None,))[0]


def _einsum_terms(equation, *_) -> list[str] | None:
    """Of both operands and the result; None where a weight might stand for dots."""
    operands, arrow, result = str(equation).replace(" ", "").partition("->")
    terms = [*operands.split(","), result]
    dots = sum("..." in term for term in terms[:2])
    return terms if arrow and dots < 2 else None


def _matmul_terms(x, y) -> list[str] | None:
    rank, other = len(x.shape), len(y.shape)
    if rank >= 2 and other == 2:
        return ["...yx", "xz", "...yz"]
    if rank == other > 2 and x.shape[:-2] == y.shape[:-2]:
        batch = string.ascii_lowercase[: rank - 2]
        return [f"{batch}yx", f"{batch}xz", f"{batch}yz"]
    return None
