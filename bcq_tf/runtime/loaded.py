"""`load`: the functions of a file with a graph, run by the compiled core or in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bcq_tf.files.container import FileFormatError
from bcq_tf.runtime import graph
from bcq_tf.runtime.compiled import CompiledGraph, RefusedError
from bcq_tf.runtime.graph import Function, Node
from bcq_tf.runtime.opened import Opened
from bcq_tf.runtime.operations import OPERATIONS
from bcq_tf.shown import short

CALL = "call"
"""The function that a model itself is."""
ASSETS = "assets"
"""Where in the metadata the names of further contents stand; their arrays' names begin with it."""


class Loaded:
    """A model that runs without the framework it was made with: functions of arrays.

    `loaded(x)` is what the model gives; `loaded.function("step")` another function of the file.

    Attributes:
        weights: the file's weights and arrays, an `Opened`.
        functions: names of the functions, and of each its inputs.
        assets: {name: bytes} that came along.
    """

    def __init__(self, opened: Opened):
        if graph.KEY not in opened.metadata:
            raise FileFormatError(
                f"{opened.path!r} has no graph: `bcq_tf.export_runtime` writes files that have"
            )
        try:
            read = graph.from_json(opened.metadata[graph.KEY], opened)
        except FileFormatError as error:
            raise FileFormatError(f"{opened.path!r} is no file to run: {error}") from None
        self.weights = opened
        self._read, self._programs = read, _Programs(read, opened)
        self._compiled = CompiledGraph.of(opened.buffer, opened.threads)
        self._in_numpy: set[str] = set()  # functions that the core does not run
        self.assets = _assets(opened)
        self.functions = {name: f.inputs for name, f in read.items() if f.structure is not None}

    def __call__(self, *inputs):
        """The outputs of the model, in the structure that it gives.

        Args:
            inputs: arrays, in the order of `functions["call"]`, or in the structure that the model
                takes; or one dict of all, by the names there.

        Raises:
            TypeError, ValueError: they are of other number, dtype or shape.
        """
        return self.function(CALL)(*inputs)

    def function(self, name: str) -> Callable:
        """The function `name` of the file, called as the model is.

        Raises:
            ValueError: there is none.
        """
        if not isinstance(name, str) or name not in self.functions:
            raise ValueError(
                f"`name` must be one of {list(self.functions)}. Received: {short(name)}"
            )
        function = self._read[name]

        def call(*inputs):
            outputs = self._run(name, _checked(inputs, function.inputs))
            return _put_together(function.structure, outputs)

        return call

    def _run(self, name: str, inputs: list) -> list:
        if self._compiled is not None and name not in self._in_numpy:
            try:
                return self._compiled.run(name, inputs)
            except RefusedError:
                outputs = self._programs[name].run(inputs)  # or NumPy says what is wrong
                self._in_numpy.add(name)
                return outputs
        return self._programs[name].run(inputs)

    def __repr__(self) -> str:
        return f"Loaded({self.weights.path!r}, functions {', '.join(self.functions)})"


def load(path, threads: int | None = None) -> Loaded:
    """A model that `bcq_tf.export_runtime` wrote, ready to run with NumPy alone.

    Args:
        path, threads: see `open`.

    Raises:
        FileFormatError: the file is damaged, or has no graph.
        OSError: it cannot be read.

    Example:
        >>> bcq_tf.export_runtime(bcq_tf.pack_model(model, "model.bcq.npy"), "run.bcq.npy")
        >>> runtime.load("run.bcq.npy")(np.ones((1, 64), "float32")).shape
        (1, 10)
    """
    return Loaded(Opened(path, threads))


def _assets(opened: Opened) -> dict[str, bytes]:
    names, assets = opened.metadata.get(ASSETS, []), {}
    for name in names if isinstance(names, list) else [names]:
        array = opened.get(f"{ASSETS}/{name}") if isinstance(name, str) else None
        if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
            raise FileFormatError(f"{opened.path!r} does not have what it names {short(name)}")
        assets[name] = array.tobytes()
    return assets


class _Programs(dict):
    """Functions by name, made ready to run in NumPy when they are first asked for."""

    def __init__(self, functions: Mapping[str, Function], weights: Mapping):
        super().__init__()
        self._functions, self._weights = functions, weights

    def __missing__(self, name: str) -> _Program:
        self[name] = _Program(self._functions[name], self._weights, self)
        return self[name]


class _Program:
    """A function, ready to run.

    All that its nodes take stands in one list: inputs, what nodes give, and what never changes.
    """

    def __init__(self, function: Function, weights: Mapping, programs: Mapping[str, _Program]):
        count = len(function.inputs) + sum(node.outputs for node in function.nodes)
        self._places = [None] * count

        def place_of(each) -> int:
            if type(each) is int:
                return each
            self._places.append(weights[each] if isinstance(each, str) else each)
            return len(self._places) - 1

        self._steps, first = [], len(function.inputs)
        for node, ends in zip(function.nodes, graph.last_uses(function), strict=True):
            given = [place_of(each) for each in node.inputs]
            self._steps.append((_runner(node, programs), given, first, node.outputs, ends))
            first += node.outputs
        self._outputs = [place_of(each) for each in function.outputs]

    def run(self, inputs: Sequence) -> list:
        """The outputs, one after the other."""
        values = self._places.copy()
        values[: len(inputs)] = inputs
        for run, given, first, outputs, ends in self._steps:
            result = run(*[values[place] for place in given])
            if type(result) is not tuple:
                result = (result,)
            if len(result) != outputs:
                raise ValueError(
                    f"an operation must give {outputs} values. Received: {len(result)}"
                )
            values[first : first + outputs] = result
            for place in ends:
                values[place] = None
        return [values[place] for place in self._outputs]


def _runner(node: Node, programs: Mapping[str, _Program]) -> Callable:
    if node.operation == "while":
        return _loop(*(programs[node.attributes[name]] for name in graph.CONTROL["while"]))
    if node.operation == "if":
        return _choice(*(programs[node.attributes[name]] for name in graph.CONTROL["if"]))
    run, attributes = OPERATIONS[node.operation].run, dict(node.attributes)
    return (lambda *inputs: run(*inputs, **attributes)) if attributes else run


def _loop(condition: _Program, body: _Program) -> Callable:
    def run(*values):
        while condition.run(values)[0]:
            values = body.run(values)
        return tuple(values)

    return run


def _choice(then: _Program, otherwise: _Program) -> Callable:
    def run(condition, *values):
        return tuple((then if condition else otherwise).run(values))

    return run


def _checked(inputs: tuple, specs: tuple) -> list:
    names = [spec["name"] for spec in specs]
    if len(inputs) == 1 and isinstance(inputs[0], Mapping) and set(inputs[0]) == set(names):
        inputs = tuple(inputs[0][name] for name in names)
    flat = list(_leaves(inputs))
    if len(flat) != len(specs):
        raise TypeError(f"`inputs` must be {len(specs)} arrays, {names}. Received: {len(flat)}")
    return [_checked_input(each, spec) for each, spec in zip(flat, specs, strict=True)]


def _checked_input(value, spec: Mapping) -> np.ndarray:
    array, shape = np.asarray(value), spec["shape"]
    dtype = np.dtype(spec["dtype"] or array.dtype)
    if array.dtype != dtype:
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise TypeError(f"`{spec['name']}` must be {dtype}. Received: {array.dtype}")
        array = array.astype(dtype)
    if shape is not None:
        fits = array.ndim == len(shape)
        fits = fits and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        if not fits:
            raise ValueError(f"`{spec['name']}` must be {shape}. Received: {list(array.shape)}")
    return array


def _leaves(value):
    # As TensorFlow flattens: dicts by sorted keys.
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value)]
    if not isinstance(value, list | tuple):
        yield value
        return
    for each in value:
        yield from _leaves(each)


def _put_together(structure, outputs: list):
    if isinstance(structure, dict):
        return {key: _put_together(each, outputs) for key, each in structure.items()}
    if isinstance(structure, list):
        return [_put_together(each, outputs) for each in structure]
    return None if structure is None else np.asarray(outputs[structure])
