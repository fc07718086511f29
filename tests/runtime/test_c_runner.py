"""The C library's runner of graphs: what it gives is what `bcq_tf.runtime` gives."""

import ctypes
import json
import os

import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf import native
from bcq_tf.export.runtime.conversion import Conversion, _Body
from bcq_tf.pool import Parallel
from bcq_tf.runtime.compiled import TYPES, Array
from tests.ops.codes import FORMS, random_codes
from tests.runtime.both_ways import in_numpy, near
from tests.runtime.edges import EDGES, floats, ints, one
from tests.runtime.test_graph import (
    CALLS,
    CHOSEN,
    CODES,
    DENSE,
    DOUBLED,
    HOSTILE,
    SPEC,
    changed,
    function,
    node,
    written,
    x,
)
from tests.runtime.test_operations import CASES, _NoMarks, in_graph

LIBRARY = native.core() and ctypes.CDLL(native.core()._name)  # with argument types of its own
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="the compiled core is not used")

OK, BAD_ARGUMENT, BAD_ID, BAD_FILE, OVER_LIMIT = 0, 1, 2, 7, 8


class Input(ctypes.Structure):
    """`bcq_input`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
    )


def declare(lib):
    """Tells ctypes what the library's functions take."""
    pointer, text, count = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
    for name, result, arguments in (
        ("bcq_open", ctypes.c_int, (text, pointer, pointer, ctypes.c_size_t)),
        ("bcq_close", None, (pointer,)),
        ("bcq_load", ctypes.c_int, (pointer, pointer, pointer, ctypes.c_size_t)),
        ("bcq_unload", None, (pointer,)),
        ("bcq_function_count", count, (pointer,)),
        ("bcq_function_name", text, (pointer, count)),
        ("bcq_input_count", count, (pointer, text)),
        ("bcq_output_count", count, (pointer, text)),
        ("bcq_input_at", ctypes.POINTER(Input), (pointer, text, count)),
        ("bcq_function_structure", text, (pointer, text)),
        ("bcq_set_limits", None, (pointer, count, count)),
        ("bcq_pool_create", pointer, (ctypes.c_int32,)),
        ("bcq_pool_free", None, (pointer,)),
        ("bcq_pool_parallel", Parallel, (pointer,)),
        ("bcq_run", ctypes.c_int,
         (pointer, text, pointer, count, pointer, count, Parallel, pointer, ctypes.c_size_t)),
    ):  # fmt: skip
        getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments


if LIBRARY is not None:
    declare(LIBRARY)


class StatusError(Exception):
    """A status other than BCQ_OK, and its message."""


def _lengths(facts):
    if facts.rank < 0:
        return None
    return [None if n < 0 else n for n in facts.shape[: facts.rank]]


class Model:
    """A file as C programs run it."""

    def __init__(self, path):
        self._message = ctypes.create_string_buffer(1000)
        self._file, self._model, self._pool = ctypes.c_void_p(), ctypes.c_void_p(), None
        end = self._message, len(self._message)
        self._check(LIBRARY.bcq_open(os.fsencode(path), ctypes.byref(self._file), *end))
        self._check(LIBRARY.bcq_load(self._file, ctypes.byref(self._model), *end))
        self._pool = LIBRARY.bcq_pool_create(2)

    def __del__(self):
        if LIBRARY is not None:  # as at the end of the process
            LIBRARY.bcq_unload(self._model)
            LIBRARY.bcq_close(self._file)
            LIBRARY.bcq_pool_free(self._pool)

    def limit(self, memory, operations):
        """What a run may take; 0: no bound."""
        LIBRARY.bcq_set_limits(self._model, memory, operations)

    def _check(self, status):
        if status != OK:
            raise StatusError(status, self._message.value.decode())

    def run(self, name, *inputs):
        """The outputs of a function, in a list."""
        inputs = [np.require(each, requirements="CA") for each in inputs]
        arrays = (Array * len(inputs))(*map(Array.of, inputs))
        outputs = (Array * LIBRARY.bcq_output_count(self._model, name.encode()))()
        given = arrays, len(arrays), outputs, len(outputs)
        parallel = LIBRARY.bcq_pool_parallel(self._pool)
        end = self._message, len(self._message)
        self._check(LIBRARY.bcq_run(self._model, name.encode(), *given, parallel, *end))
        return [each.value() for each in outputs]

    def inputs(self, name):
        """The inputs as `Loaded.functions` has them."""
        count = LIBRARY.bcq_input_count(self._model, name.encode())
        found = [LIBRARY.bcq_input_at(self._model, name.encode(), i)[0] for i in range(count)]
        return tuple(
            {
                "name": each.name.decode(),
                "dtype": "" if each.dtype < 0 else TYPES[each.dtype].name,
                "shape": _lengths(each),
            }
            for each in found
        )

    def functions(self):
        """The names of all."""
        count = LIBRARY.bcq_function_count(self._model)
        return [LIBRARY.bcq_function_name(self._model, i).decode() for i in range(count)]

    def structure(self, name):
        """How the outputs of a function are put together."""
        return json.loads(LIBRARY.bcq_function_structure(self._model, name.encode()))


def leaves(structure, outputs):
    """{number of an output: its value} of a structure and outputs in it."""
    if structure is None:
        return {}
    if isinstance(structure, int):
        return {structure: outputs}
    pairs = structure.items() if isinstance(structure, dict) else enumerate(structure)
    return {k: v for key, part in pairs for k, v in leaves(part, outputs[key]).items()}


def same_answers(path, inputs, name="call", tolerance=1e-5):
    """Asserts that both give the same for inputs by name."""
    loaded, model = in_numpy(path), Model(path)
    assert model.functions() == list(loaded.functions)
    assert model.inputs(name) == loaded.functions[name]
    expected = loaded.function(name)(inputs)
    actual = model.run(name, *(inputs[each["name"]] for each in loaded.functions[name]))
    found = leaves(model.structure(name), expected)
    assert found
    for number, value in found.items():
        near(actual[number], value, tolerance)


def array_file(tmp_path, operation, values, attributes, outputs=1):
    """A file whose function "call" is one operation of arrays: those of the file, which are values
    0, 1, ... of the function too."""
    path = tmp_path / "one.bcq.npy"
    specs = [{"name": f"x{i}", "dtype": v.dtype.name, "shape": None} for i, v in enumerate(values)]
    inputs, made = len(values), node(operation, *range(len(values)), out=outputs, **attributes)
    body = function([made], list(range(inputs, inputs + outputs)), specs, list(range(outputs)))
    bcq_tf.save(path, {}, {"graph": {"version": 1, "functions": {"call": body}}})
    return path


def plain(value):
    """A value of attributes as JSON has it."""
    if isinstance(value, list):
        return [int(n) for n in value]
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize("name", CASES)
def test_an_operation_gives_what_numpy_s_gives(name, tmp_path):
    op, expected = in_graph(CASES[name])
    values = [tf.make_ndarray(tensor.op.get_attr("value")) for tensor in op.inputs]
    operation, inputs, attributes = _Body(Conversion(_NoMarks()), 0)._translated(op, values)
    inputs = [np.asarray(each) for each in inputs]
    attributes = {key: plain(value) for key, value in attributes.items()}
    path = array_file(tmp_path, operation, inputs, attributes, len(expected))
    same_answers(path, {f"x{i}": value for i, value in enumerate(inputs)})


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_those_of_numpy(name, tmp_path):
    operation, inputs, attributes, *outputs = EDGES[name]
    path = array_file(tmp_path, operation, inputs, attributes, *outputs)
    with np.errstate(all="ignore"):
        same_answers(path, {f"x{i}": value for i, value in enumerate(inputs)})


@pytest.mark.parametrize(
    "functions", [{"call": DENSE}, DOUBLED, CHOSEN], ids=["dense", "loop", "if"]
)
def test_graphs_written_by_hand(functions, tmp_path):
    path = written(tmp_path, functions)
    for inputs in (x(), np.abs(x(1)) / 100, -np.abs(x(2))):
        if functions is not DOUBLED or inputs.sum() > 0:  # else it would loop for ever
            same_answers(path, {"x": inputs})


@pytest.mark.parametrize("name", [*HOSTILE, *CALLS])
def test_a_graph_that_breaks_a_rule_is_refused(name, tmp_path):
    change, functions = (
        (HOSTILE[name], {"call": DENSE}) if name in HOSTILE else (CALLS[name], DOUBLED)
    )
    with pytest.raises(StatusError) as raised:
        Model(written(tmp_path, changed(functions, change)))
    status, message = raised.value.args
    assert status == BAD_FILE
    assert message.startswith("The file cannot be run: its function")
    assert "\n" not in message


def codes(kind):
    """Codes of a kind, and of few rows and columns."""
    rng = np.random.default_rng(0)
    if kind == "uniform":
        return bcq_tf.embeddings.quantize_uniform(rng.normal(size=(700, 33)).astype("f"), 3)
    if kind == "compositional":
        books = rng.normal(size=(3, 5, 33)).astype("float16")
        return bcq_tf.CompositionalCodes.of(rng.integers(0, 5, (700, 3)), books)
    return random_codes(0, **FORMS[kind])


@pytest.mark.parametrize("kind", ["uniform", "compositional", *FORMS])
def test_weights_of_every_kind(kind, tmp_path):
    weight, path = codes(kind), tmp_path / "w.bcq.npy"
    rows, columns = weight.shape
    body = function(
        [
            node("product", 0, "w", precision="exact"),
            node("rows", 1, "w", dtype="float32"),
            node("rows", 1, "w", dtype="float16"),
            node("columns", "w", dtype="float32"),
        ],
        [2, 3, 4, 5],
        [{"name": "x", "dtype": "", "shape": None}, {"name": "ids", "dtype": "", "shape": None}],
        list(range(4)),
    )
    bcq_tf.save(path, {"w": weight}, {"graph": {"version": 1, "functions": {"call": body}}})
    for batch in (0, 1, 2, 40):
        ids = ints(0, rows, 2, batch, dtype="int64")
        same_answers(path, {"x": floats(2, batch, columns), "ids": ids})
    half = floats(3, columns, dtype="float16")
    same_answers(path, {"x": half, "ids": one(rows - 1)}, tolerance=2e-3)


def test_fast_products(tmp_path):
    # Of several rows they are not the same with every instruction set.
    path = tmp_path / "w.bcq.npy"
    body = function([node("product", 0, "w", precision="fast")], [1], [SPEC])
    bcq_tf.save(path, {"w": CODES}, {"graph": {"version": 1, "functions": {"call": body}}})
    for batch in (1, 40):
        same_answers(path, {"x": floats(batch, 100)}, tolerance=2e-2)


RUNS = {
    "id": (node("gather", "bias", {"int32": 70}, {"int32": 0}), BAD_ID, "0 to 69. Received: 70"),
    "row": (node("rows", {"int32": -1}, "w", dtype="float32"), BAD_ID, "Received: -1"),
    "shapes": (node("add", 0, "bias"), BAD_ARGUMENT, "[3, 100] and [70] do not go together"),
    "dtypes": (node("add", 0, {"int32": 1}), BAD_ARGUMENT, "float32 and int32"),
    "short_dtypes": (node("add", {"int32": 1}, {"uint8": 1}), BAD_ARGUMENT, "int32 and uint8"),
    "dtype": (node("sin", {"int32": 1}), BAD_ARGUMENT, "it does not compute with int32"),
    "columns": (node("product", "bias", "w", precision="fast"), BAD_ARGUMENT, "x must be [..., "),
    "large": (node("fill", {"int64": [1 << 22]}, {"int64": 0}), OVER_LIMIT, "than the 16777216 b"),
    "long": (node("fill", {"int64": [1 << 24]}, {"int8": 0}), OVER_LIMIT, "than the 10000000 op"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_runs_that_fail_say_where(name, tmp_path):
    wrong, status, text = RUNS[name]
    model = Model(written(tmp_path, {"call": function([wrong], [1], [SPEC])}))
    model.limit(1 << 24, 10_000_000)
    with pytest.raises(StatusError) as raised:
        model.run("call", x())
    assert raised.value.args[0] == status
    assert f"function 'call', node 0 ({wrong['op']}): " in raised.value.args[1]
    assert text in raised.value.args[1]


def test_a_loop_without_an_end_stops(tmp_path):
    model = Model(written(tmp_path, DOUBLED))
    model.limit(0, 100_000)
    with pytest.raises(StatusError, match="more than the 100000 operations that it may"):
        model.run("call", np.zeros((1, 100), "f"))
    np.testing.assert_array_equal(
        model.run("call", np.full((1, 100), 3, "f"))[0], np.full((1, 100), 3)
    )
