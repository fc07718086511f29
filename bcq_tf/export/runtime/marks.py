"""Weights in codes, seen in a traced function: their products and rows are marked there."""

from __future__ import annotations

import contextlib
import dataclasses

import keras
import tensorflow as tf

from bcq_tf._keras import recurrent_states, walk_layers
from bcq_tf.codes import CodedMatrix
from bcq_tf.layers import PackedLayer
from bcq_tf.ops import binary, compositional, uniform
from bcq_tf.ops.engine import using
from bcq_tf.runtime.weights import CLASSES

_MARKED = ("PyFunc", "PyFuncStateless")


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a marked operation computes.

    Args:
        operation: its name in a graph.
        weight: the name of the weight that follows its input.
        attributes: of the operation.
    """

    operation: str
    weight: str
    attributes: dict


class Marks:
    """The packed weights of a model, and what is computed from them.

    Attributes:
        codes: by name.
    """

    def __init__(self, model):
        self._model = model
        self.codes: dict[str, CodedMatrix] = {}
        self._names: dict[int, str] = {}  # by the id of the variable with the signs or fields
        self._variables = []
        self._marks: dict[str, Mark] = {}
        for layer in walk_layers(model):
            if isinstance(layer, PackedLayer):
                for name in layer.packed_weights:
                    self._add(layer, name)

    def _add(self, layer: PackedLayer, name: str) -> None:
        weight, parts = layer.packed_weights[name], layer.parts_of(name)
        if weight.CODES not in CLASSES:  # kept as it is, like other variables
            return
        variable = parts["tiles" if weight.PRODUCTS else "packed"]
        if id(variable) in self._names:  # a weight of two layers
            return
        full = f"{layer.path}/{name}"
        full = full if full not in self.codes else f"{full}#{len(self.codes)}"
        codes = layer.codes_of(name).to_codes() if weight.PRODUCTS else weight.codes(parts)
        self._names[id(variable)], self.codes[full] = full, codes
        self._variables.append(variable)

    def of(self, op) -> Mark | None:
        """What an operation of a traced function is marked as."""
        return self._marks.get(op.get_attr("token").decode()) if op.type in _MARKED else None

    @contextlib.contextmanager
    def used(self):
        """Within this context what is computed from weights in codes is marked, in a function that
        is being traced."""
        stand_ins = [(v, tf.zeros(v.shape, v.dtype)) for v in self._variables]
        self._by_tensor = {
            tensor.ref(): self._names[id(variable)] for variable, tensor in stand_ins
        }
        ops = {
            binary.product: self._product,
            binary.gather: self._gather,
            binary.columns: self._columns,
            uniform.gather: self._uniform,
            compositional.gather: self._compositional,
        }
        with keras.StatelessScope(stand_ins) as scope, using(ops):
            yield
        self._check_unchanged(scope)

    def _check_unchanged(self, scope: keras.StatelessScope) -> None:
        # What a run would have to remember is not in the graph. Random seeds matter to random
        # numbers alone, of which there are none.
        given = {id(variable) for variable in self._variables}
        for variable in (*self._model.variables, *recurrent_states(self._model)):
            changed = id(variable) in scope.state_mapping and id(variable) not in given
            if changed and variable.name != "seed_generator_state":
                raise ValueError(
                    "`model` must not change its variables when it is called: give states as "
                    f"inputs and outputs of one of `functions`. Received: {variable.path}"
                )

    def _product(self, x, codes, precision: str = "exact"):
        shape = [*x.shape[:-1], codes.layout.rows] if x.shape.rank is not None else None
        return self._mark("product", codes.tiles, [x], x.dtype, shape, {"precision": precision})

    def _gather(self, ids, codes, dtype):
        return self._rows(ids, codes.tiles, codes.layout.columns, dtype)

    def _columns(self, codes, dtype):
        shape = [codes.layout.columns, codes.layout.rows]
        return self._mark("columns", codes.tiles, [], dtype, shape, {"dtype": dtype.name})

    def _uniform(self, packed, half_step, ids, bits, columns, zero_rows):
        return self._rows(ids, packed, columns, tf.float32)

    def _compositional(self, packed, codebooks, ids, bits):
        return self._rows(ids, packed, codebooks.shape[2], tf.float32)

    def _rows(self, ids, part, columns: int, dtype):
        ids = tf.convert_to_tensor(ids)
        shape = None if ids.shape.rank is None else [*ids.shape, columns]
        return self._mark("rows", part, [ids], dtype, shape, {"dtype": dtype.name})

    def _mark(self, operation: str, part, inputs: list, dtype, shape, attributes: dict):
        name = self._by_tensor.get(tf.convert_to_tensor(part).ref())
        if name is None:
            raise ValueError(
                f"`model` must keep all its codes in packed layers. Received: {operation} of others"
            )
        marked = tf.numpy_function(_never, inputs, dtype, stateful=False)
        token = marked.op.get_attr("token").decode()
        self._marks[token] = Mark(operation, name, attributes)
        if shape is not None:
            marked.set_shape(shape)
        return marked


def _never(*inputs):
    raise AssertionError("a marked operation is only traced")
