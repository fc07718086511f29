"""The graph in a file's metadata: functions of arrays, written in operations. docs/runtime.md has
the format.

Values have numbers: the inputs of a function first, then what its nodes give, in their order. What
is read here may be hostile: every number and name is checked before anything runs.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from bcq_tf.files.container import DTYPES, FileFormatError
from bcq_tf.runtime.operations import OPERATIONS
from bcq_tf.shown import short

VERSION = 1
KEY = "graph"
"""Where in the metadata it stands."""
CONTROL = {"while": ("condition", "body"), "if": ("then", "otherwise")}
"""The nodes that run other functions, by the names that say which."""
INLINE = ("float32", "float64", "float16", "int32", "int64", "bool", "uint8", "int8", "uint32")
"""Dtypes of constants that stand in the graph itself."""
_INPUTS = ("", *(dtype.name for dtype in DTYPES.values()))  # no name: of any dtype


@dataclasses.dataclass(frozen=True)
class Node:
    """An operation and its inputs.

    Args:
        operation: its name.
        inputs: numbers of values, names of the file's weights and arrays, or arrays.
        outputs: the number of values that it gives.
        attributes: by name.
    """

    operation: str
    inputs: tuple
    outputs: int
    attributes: Mapping


@dataclasses.dataclass(frozen=True)
class Function:
    """Nodes in the order in which they run.

    Args:
        inputs: of each input its "name", "dtype" and "shape", of which None is any length. Where
            other nodes call the function, they have no name and dtype, "".
        nodes: `Node`s.
        outputs: what it gives, as the inputs of a node.
        structure: how the outputs are put together: a number of them, or a list or dict of such.
    """

    inputs: tuple
    nodes: tuple[Node, ...]
    outputs: tuple
    structure: object


def to_json(functions: Mapping[str, Function]) -> dict:
    """The graph as it stands in a file."""
    return {"version": VERSION, "functions": {k: _function_json(f) for k, f in functions.items()}}


def from_json(graph, names: Iterable[str]) -> dict[str, Function]:
    """The functions of a graph.

    Args:
        graph: what stands in the file.
        names: of the weights and arrays that the file has.

    Raises:
        FileFormatError: the graph breaks a rule.
    """
    if not isinstance(graph, dict) or set(graph) != {"version", "functions"}:
        raise FileFormatError("its graph does not have a version and functions")
    if type(graph["version"]) is not int or graph["version"] != VERSION:
        raise FileFormatError(
            f"its graph is of version {short(graph['version'])} and this bcq_tf reads {VERSION}"
        )
    functions = graph["functions"]
    if not isinstance(functions, dict):
        raise FileFormatError("its graph's functions are no object")
    read = {name: _Reader(name, set(names)).function(each) for name, each in functions.items()}
    _check_calls(read)
    return read


class _Reader:
    """Reads one function."""

    def __init__(self, name: str, names: set[str]):
        self._name, self._names, self._values = name, names, 0

    def function(self, each) -> Function:
        self._need(isinstance(each, dict), "is no object")
        keys = {"inputs", "nodes", "outputs", "structure"}
        self._need(set(each) == keys, f"does not have {sorted(keys)}")
        self._need(
            all(isinstance(each[k], list) for k in ("inputs", "nodes", "outputs")), "has no lists"
        )
        inputs = tuple(map(self._input, each["inputs"]))
        self._values = len(inputs)
        nodes = tuple(map(self._node, each["nodes"]))
        outputs = tuple(map(self._reference, each["outputs"]))
        self._check_structure(each["structure"], len(outputs))
        return Function(inputs, nodes, outputs, each["structure"])

    def _input(self, each) -> dict:
        legal = isinstance(each, dict) and set(each) == {"name", "dtype", "shape"}
        legal = legal and isinstance(each["name"], str) and each["dtype"] in _INPUTS
        shape = each["shape"] if legal else None
        lengths = shape is None or (
            isinstance(shape, list) and all(n is None or (type(n) is int and n >= 0) for n in shape)
        )
        self._need(legal and lengths, f"has the wrong input {short(each)}")
        return each

    def _node(self, each) -> Node:
        self._need(
            isinstance(each, dict) and {"op", "in"} <= set(each), f"has the node {short(each)}"
        )
        name, attributes, outputs = each["op"], each.get("with", {}), each.get("out", 1)
        legal = set(each) <= {"op", "in", "with", "out"} and isinstance(each["in"], list)
        legal = legal and isinstance(attributes, dict) and type(outputs) is int and outputs >= 0
        self._need(legal and isinstance(name, str), f"has the node {short(each)}")
        inputs = tuple(map(self._reference, each["in"]))
        if name in CONTROL:
            self._need(set(attributes) == set(CONTROL[name]), f"has a wrong {name!r}")
            self._need(
                all(isinstance(f, str) for f in attributes.values()), f"has a wrong {name!r}"
            )
        else:
            self._check_operation(name, len(inputs), attributes)
        self._values += outputs
        return Node(name, inputs, outputs, attributes)

    def _check_operation(self, name: str, inputs: int, attributes: dict) -> None:
        operation = OPERATIONS.get(name)
        self._need(operation is not None, f"has the unknown operation {short(name)}")
        most = inputs if operation.most is None else operation.most
        self._need(operation.least <= inputs <= most, f"gives {inputs} inputs to {name!r}")
        types = operation.attributes
        missing = set(types) - operation.optional - set(attributes)
        self._need(
            not missing and set(attributes) <= set(types), f"gives {name!r} other attributes"
        )
        for key, value in attributes.items():
            self._need(_is_of(value, types[key]), f"gives {name!r} {key}={short(value)}")

    def _reference(self, each):
        if isinstance(each, str):
            self._need(each in self._names, f"names {short(each)}, which the file does not have")
            return each
        if isinstance(each, dict):
            return self._constant(each)
        legal = type(each) is int and 0 <= each < self._values
        self._need(legal, f"uses the value {short(each)} where there are {self._values}")
        return each

    def _constant(self, each: dict) -> np.ndarray:
        dtype, value = next(iter(each.items())) if len(each) == 1 else (None, None)
        self._need(dtype in INLINE, f"has the constant {short(each)}")
        try:
            return np.array(value, dtype)
        except (TypeError, ValueError, OverflowError):
            raise FileFormatError(
                f"its function {self._name!r} has the constant {short(each)}"
            ) from None

    def _check_structure(self, structure, outputs: int) -> None:
        if isinstance(structure, dict | list):
            for each in structure.values() if isinstance(structure, dict) else structure:
                self._check_structure(each, outputs)
            return
        legal = structure is None or (type(structure) is int and 0 <= structure < outputs)
        self._need(legal, f"has the structure {short(structure)} of {outputs} outputs")

    def _need(self, holds: bool, what: str) -> None:
        if not holds:
            raise FileFormatError(f"its function {short(self._name)} {what}")


def _is_of(value, kind: type) -> bool:
    if kind is list:
        return isinstance(value, list) and all(type(n) is int for n in value)
    return type(value) is kind or (kind is float and type(value) is int)


def _check_calls(functions: Mapping[str, Function]) -> None:
    # Those that are called come before those that call them, so that none runs for ever.
    known: dict[str, Function] = {}
    for name, function in functions.items():
        for node in function.nodes:
            for called in node.attributes.values() if node.operation in CONTROL else ():
                if called not in known:
                    raise FileFormatError(f"its function {short(name)} calls {short(called)}")
                _check_call(name, node, called, known[called])
        known[name] = function


def _check_call(name: str, node: Node, called: str, function: Function) -> None:
    given = len(node.inputs) - (node.operation == "if")
    wanted = 1 if called == node.attributes.get("condition") else node.outputs
    loops = node.operation != "while" or node.outputs == given
    if len(function.inputs) != given or len(function.outputs) != wanted or not loops:
        raise FileFormatError(f"its function {short(name)} calls {short(called)} with other values")


def _function_json(function: Function) -> dict:
    return {
        "inputs": list(function.inputs),
        "nodes": [_node_json(node) for node in function.nodes],
        "outputs": [_reference_json(each) for each in function.outputs],
        "structure": function.structure,
    }


def _node_json(node: Node) -> dict:
    line = {"op": node.operation, "in": [_reference_json(each) for each in node.inputs]}
    if node.attributes:
        line["with"] = dict(node.attributes)
    if node.outputs != 1:
        line["out"] = node.outputs
    return line


def _reference_json(each):
    return {each.dtype.name: each.tolist()} if isinstance(each, np.ndarray) else each


def last_uses(function: Function) -> list[list[int]]:
    """The values that no node after each node uses, by node."""
    last: dict[int, int] = {}
    starts = itertools.accumulate((n.outputs for n in function.nodes), initial=len(function.inputs))
    for i, (node, start) in enumerate(zip(function.nodes, starts, strict=False)):
        last |= dict.fromkeys(range(start, start + node.outputs), i)
        last |= dict.fromkeys((each for each in node.inputs if isinstance(each, int)), i)
    kept = {each for each in function.outputs if isinstance(each, int)}
    ends: list[list[int]] = [[] for _ in function.nodes]
    for value, node in last.items():
        if value not in kept:
            ends[node].append(value)
    return ends
