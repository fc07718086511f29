"""A traced function of TensorFlow as a function of a graph."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from bcq_tf._tensorflow import function_def_to_graph
from bcq_tf.export.runtime.marks import Marks
from bcq_tf.export.runtime.operations import ATTRIBUTES, FIRST, NAMES, SAME
from bcq_tf.files.container import dtype_code
from bcq_tf.runtime import graph
from bcq_tf.runtime.graph import Function, Node
from bcq_tf.runtime.operations import OPERATIONS

MOST_INLINE = 16  # elements of a constant that stands in the graph
MOST_FOLDED = 1 << 16  # bytes of what is computed beforehand
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_LOOPS = {"While", "StatelessWhile"}
_CHOICES = {"If", "StatelessIf"}


class Conversion:
    """Converts functions; those of one file share their arrays.

    Attributes:
        arrays: of the file, by name: weights that are no codes, and constants.
        functions: by name, those that others call before them.
    """

    def __init__(self, marks: Marks):
        self.marks = marks
        self.arrays: dict[str, np.ndarray] = {}
        self.functions: dict[str, Function] = {}
        self._names: dict[tuple, str] = {}  # of constants, by what they are
        self.definitions: dict = {}

    def add(self, name: str, concrete, structure) -> None:
        """Adds a traced function under a name.

        structure: the outputs as `Function` has them.

        Raises:
            ValueError: an operation is not known.
        """
        definition = concrete.graph.as_graph_def()
        self.definitions |= {f.signature.name: f for f in definition.library.function}
        _check_writes_nothing(definition)
        captured = {inside.ref(): outside for outside, inside in concrete.graph.captures}
        handles = {variable.handle.ref(): variable for variable in concrete.graph.variables}
        given = [tensor for tensor in concrete.inputs if tensor.ref() not in captured]
        body = _Body(self, len(given))
        known = {tensor.ref(): i for i, tensor in enumerate(given)}
        for inside, outside in captured.items():
            known[inside] = handles.get(outside.ref())
            if known[inside] is None:
                known[inside] = _value_of(outside)
        outputs = body.convert(concrete.outputs, known)
        self.functions[name] = body.function(outputs, tuple(map(_input, given)), structure)

    def sub_function(self, name: str, inputs: int, make) -> str:
        """Adds a function that a node calls, which `make` converts; the name that it gets."""
        body = _Body(self, inputs)
        outputs = make(body)
        full = f"{name}#{len(self.functions)}"
        no_facts = tuple({"name": "", "dtype": "", "shape": None} for _ in range(inputs))
        self.functions[full] = body.function(outputs, no_facts, None)
        return full

    def reference(self, value):
        """What a node has for a value: its number, a name, or a small constant."""
        if isinstance(value, tf.Variable):
            return self._variable(value)
        if not isinstance(value, np.ndarray):
            return value
        small = value.size <= MOST_INLINE and value.dtype.name in graph.INLINE
        if small and (value.dtype.kind != "f" or np.isfinite(value).all()):
            return value
        if dtype_code(value.dtype) is None:
            raise ValueError(f"`model` must have no constants of {value.dtype}. Received: one")
        key = value.dtype.str, value.shape, value.tobytes()
        if key not in self._names:
            self._names[key] = f"constants/{len(self._names)}"
            self.arrays[self._names[key]] = value
        return self._names[key]

    def _variable(self, variable: tf.Variable) -> str:
        key = ("variable", id(variable))
        if key not in self._names:
            path = variable.name.partition(":")[0]
            taken = path in self.arrays or path in self.marks.codes
            self._names[key] = f"{path}#{len(self._names)}" if taken else path
            self.arrays[self._names[key]] = variable.numpy()
        return self._names[key]


class _Body:
    """The nodes of one function, as they are made."""

    def __init__(self, conversion: Conversion, inputs: int):
        self._all, self._nodes, self._values = conversion, [], inputs

    def function(self, outputs: Iterable, inputs: tuple, structure) -> Function:
        """What has been made."""
        references = tuple(map(self._all.reference, outputs))
        return Function(inputs, tuple(self._nodes), references, structure)

    def convert(self, outputs: list, known: dict) -> list:
        """The values of tensors of a traced graph.

        known: values by the tensors' references: numbers, arrays, or variables.
        """
        for op in _needed(outputs, known):
            values = self._operation(op, [known[tensor.ref()] for tensor in op.inputs])
            known |= {t.ref(): value for t, value in zip(op.outputs, values, strict=True)}
        return [known[tensor.ref()] for tensor in outputs]

    def _operation(self, op, inputs: list) -> list:
        kind = op.type
        if kind == "Const":
            return [tf.make_ndarray(op.get_attr("value"))]
        if kind in SAME or kind == "ReadVariableOp":
            return inputs[:1]
        if kind == "IdentityN":
            return inputs
        if kind in _CALLS:
            inner = self._graph(op.get_attr("f").name)
            return self.convert(inner.outputs, _bound(inner, inputs))
        if kind in _LOOPS:
            return self._loop(op, inputs)
        if kind in _CHOICES:
            return self._choice(op, inputs)
        if kind == "Shape" and op.inputs[0].shape.is_fully_defined():
            dtype = op.get_attr("out_type").as_numpy_dtype
            return [np.array(op.inputs[0].shape.as_list(), dtype)]
        return self._emit(*self._translated(op, inputs), len(op.outputs))

    def _translated(self, op, inputs: list) -> tuple[str, list, dict]:
        # (operation, inputs, attributes)
        kind, mark = op.type, self._all.marks.of(op)
        if mark is not None:
            return mark.operation, [*inputs, mark.weight], mark.attributes
        if kind in NAMES:
            return NAMES[kind], inputs, {}
        if kind in ATTRIBUTES:
            name, attributes = ATTRIBUTES[kind]
            return name, inputs, attributes(op)
        if kind in FIRST:
            name, count = FIRST[kind]
            return name, inputs[:count], {}
        if kind == "ResourceGather":
            axis = np.array(0, np.int32)
            return "gather", [*inputs, axis], {"batch_axes": op.get_attr("batch_dims")}
        if kind == "TensorListReserve":
            return "list_empty", inputs[1:], {}
        if kind == "ConcatV2":
            return "concatenate", inputs[:-1], {"axis": _constant(op, inputs[-1])}
        if kind == "Split":
            attributes = {"count": op.get_attr("num_split"), "axis": _constant(op, inputs[0])}
            return "split_evenly", inputs[1:], attributes
        raise ValueError(
            "`model` must use operations that the runtime has, see docs/runtime.md. "
            f"Received: {kind} ({op.name})"
        )

    def _emit(self, name: str, inputs: list, attributes: dict, outputs: int) -> list:
        folded = _folded(name, inputs, attributes)
        if folded is not None:
            return folded
        references = tuple(map(self._all.reference, inputs))
        self._nodes.append(Node(name, references, outputs, attributes))
        first = self._values
        self._values += outputs
        return list(range(first, self._values))

    def _loop(self, op, inputs: list) -> list:
        condition, body = (self._graph(op.get_attr(name).name) for name in ("cond", "body"))
        # What is no value of this function, and stays, is no value of the loop either.
        moving = [
            i for i, value in enumerate(inputs) if isinstance(value, int) or not _passes_on(body, i)
        ]
        given = _renumbered(inputs, moving)
        inner = {"condition": (condition, condition.outputs)}
        inner["body"] = body, [body.outputs[i] for i in moving]
        names = {
            name: self._all.sub_function(
                op.name, len(moving), lambda b, g=g, o=o: b.convert(o, _bound(g, given))
            )
            for name, (g, o) in inner.items()
        }
        made = self._emit("while", [inputs[i] for i in moving], names, len(moving))
        places = dict(zip(moving, made, strict=True))
        return [places.get(i, value) for i, value in enumerate(inputs)]

    def _choice(self, op, inputs: list) -> list:
        condition, *others = inputs
        branches = [self._graph(op.get_attr(f"{name}_branch").name) for name in ("then", "else")]
        if isinstance(condition, np.ndarray):
            chosen = branches[0] if condition else branches[1]
            return self.convert(chosen.outputs, _bound(chosen, others))
        moving = [i for i, value in enumerate(others) if isinstance(value, int)]
        given = _renumbered(others, moving)
        names = [
            self._all.sub_function(
                op.name, len(moving), lambda b, g=g: b.convert(g.outputs, _bound(g, given))
            )
            for g in branches
        ]
        attributes = dict(zip(graph.CONTROL["if"], names, strict=True))
        values = [condition, *(others[i] for i in moving)]
        return self._emit("if", values, attributes, len(op.outputs))

    def _graph(self, name: str):
        return function_def_to_graph(self._all.definitions[name])


def _check_writes_nothing(definition) -> None:
    # What is written to a variable or a table is not in what the outputs are made of.
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    for node in nodes:
        if node.op.startswith(("Assign", "ResourceScatter", "LookupTableI", "StatefulRandom")):
            raise ValueError(
                "`model` must not write to variables or tables when it is called. "
                f"Received: {node.op} ({node.name})"
            )


def _needed(outputs: list, known: dict) -> list:
    # The operations that make the outputs, each after those whose outputs it takes.
    order, seen, stack = [], set(), [(tensor.op, False) for tensor in reversed(outputs)
                                     if tensor.ref() not in known]  # fmt: skip
    while stack:
        op, ready = stack.pop()
        if ready:
            order.append(op)
        elif op.name not in seen:
            seen.add(op.name)
            stack.append((op, True))
            stack += [(t.op, False) for t in reversed(op.inputs) if t.ref() not in known]
    return order


def _bound(inner, values: list) -> dict:
    return {tensor.ref(): value for tensor, value in zip(inner.inputs, values, strict=True)}


def _renumbered(values: list, moving: list[int]) -> list:
    # The values inside of a function that is given those at the places `moving`.
    numbers = {place: number for number, place in enumerate(moving)}
    return [numbers.get(i, value) for i, value in enumerate(values)]


def _passes_on(body, index: int) -> bool:
    # Whether a loop's body gives what it gets.
    tensor = body.outputs[index]
    while tensor.op.type in SAME:
        tensor = tensor.op.inputs[0]
    return tensor.name == body.inputs[index].name


def _folded(name: str, inputs: list, attributes: dict) -> list | None:
    # What constants give, where it is small.
    if name in graph.CONTROL or not inputs or not all(isinstance(x, np.ndarray) for x in inputs):
        return None
    if name in ("fill", "broadcast_to", "tile"):
        lengths = inputs[0] if name == "fill" else inputs[1]
        if math.prod(lengths.ravel().tolist()) > MOST_FOLDED:
            return None
    result = OPERATIONS[name].run(*inputs, **attributes)
    results = list(result) if isinstance(result, tuple) else [result]
    if any(isinstance(each, list) for each in results):
        return None
    results = [np.asarray(each) for each in results]
    return results if sum(each.nbytes for each in results) <= MOST_FOLDED else None


def _constant(op, value) -> int:
    if not isinstance(value, np.ndarray):
        raise ValueError(f"`model` must have axes that are known. Received: {op.type} ({op.name})")
    return int(value)


def _value_of(captured):
    if captured.dtype in (tf.resource, tf.variant, tf.string):
        raise ValueError(
            "`model` must have no tables and strings to run in the runtime. "
            f"Received: {captured.dtype.name}"
        )
    return np.asarray(captured)


def _input(tensor) -> dict:
    shape = None if tensor.shape.rank is None else tensor.shape.as_list()
    name = tensor.op.name
    return {"name": name, "dtype": tensor.dtype.as_numpy_dtype.__name__, "shape": shape}
