"""Graphs of files: what they give, and what is refused of them before anything runs."""

import concurrent.futures
import copy
import gc

import numpy as np
import pytest

import bcq_tf
from bcq_tf import runtime
from bcq_tf.runtime import graph
from tests.ops.codes import random_codes
from tests.runtime.both_ways import BothWays

SPEC = {"name": "x", "dtype": "float32", "shape": [None, 100]}
HALF = {"float32": 0.5}
CODES = random_codes(0)
ARRAYS = {"w": CODES, "bias": np.ones(70, "float32")}


def function(nodes, outputs, inputs=(SPEC,), structure=0) -> dict:
    return {
        "inputs": list(inputs),
        "nodes": nodes,
        "outputs": outputs,
        "structure": structure,
    }


def node(operation, *inputs, out=1, **attributes) -> dict:
    line = {"op": operation, "in": list(inputs)}
    return line | ({"with": attributes} if attributes else {}) | ({"out": out} if out != 1 else {})


def inner(nodes, outputs, inputs=1) -> dict:
    spec = {"name": "", "dtype": "", "shape": None}
    return function(nodes, outputs, [spec] * inputs, None)


DENSE = function([node("product", 0, "w", precision="exact"), node("add", 1, "bias")], [2])
DOUBLED = {  # x doubled while its sum is below 100
    "small": inner([node("reduce_sum", 0, {"int32": [0, 1]}, keep=False),
                    node("less", 1, {"float32": 100})], [2]),
    "double": inner([node("add", 0, 0)], [1]),
    "call": function([node("while", 0, condition="small", body="double")], [1]),
}  # fmt: skip
CHOSEN = {
    "plus": inner([node("add", 0, HALF)], [1]),
    "minus": inner([node("subtract", 0, HALF)], [1]),
    "call": function(
        [
            node("reduce_sum", 0, {"int32": [0, 1]}, keep=False),
            node("greater", 1, {"float32": 0}),
            node("if", 2, 0, then="plus", otherwise="minus"),
        ],
        [3],
    ),
}


def written(tmp_path, functions, version=1, metadata=None):
    """A file with a graph."""
    path = tmp_path / "graph.bcq.npy"
    whole = {"graph": {"version": version, "functions": functions}} | (metadata or {})
    bcq_tf.save(path, ARRAYS, whole)
    return path


def x(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 100)).astype("float32")


def test_a_product_and_an_array_of_the_file(tmp_path):
    loaded = BothWays(written(tmp_path, {"call": DENSE}))
    np.testing.assert_allclose(loaded(x()), x() @ CODES.reconstruct().T + 1, atol=1e-4)
    assert loaded.functions == {"call": (SPEC,)}


def test_a_loop(tmp_path):
    loaded = BothWays(written(tmp_path, DOUBLED))
    np.testing.assert_array_equal(loaded(np.full((1, 100), 0.3, "f")), np.full((1, 100), 1.2, "f"))
    np.testing.assert_array_equal(loaded(np.full((1, 100), 3, "f")), np.full((1, 100), 3, "f"))
    assert list(loaded.functions) == ["call"]


def test_a_choice(tmp_path):
    loaded = BothWays(written(tmp_path, CHOSEN))
    ones = np.ones((1, 100), "float32")
    np.testing.assert_array_equal(loaded(ones), ones + 0.5)
    np.testing.assert_array_equal(loaded(-ones), -ones - 0.5)


STRUCTURES = {
    "list": [0, 1],
    "dict": {"a": 1, "b": [0, {"c": 1}], "none": None},
    "one": 1,
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_outputs_come_in_their_structure(tmp_path, name):
    structure = STRUCTURES[name]
    nodes = [node("add", 0, HALF), node("negative", 0)]
    made = function(nodes, [1, 2], structure=structure)
    actual = BothWays(written(tmp_path, {"call": made}))(x())
    values = [x() + np.float32(0.5), -x()]

    def expected(part):
        if isinstance(part, dict):
            return {key: expected(each) for key, each in part.items()}
        if isinstance(part, list):
            return [expected(each) for each in part]
        return None if part is None else values[part]

    np.testing.assert_equal(actual, expected(structure))


def test_inputs_by_order_structure_and_name(tmp_path):
    specs = [SPEC | {"name": "one"}, SPEC | {"name": "other"}]
    made = function([node("subtract", 0, 1)], [2], specs)
    loaded = BothWays(written(tmp_path, {"call": made}))
    expected = x(1) - x(2)
    for inputs in ((x(1), x(2)), ([x(1), x(2)],), ({"other": x(2), "one": x(1)},)):
        np.testing.assert_array_equal(loaded(*inputs), expected)
    np.testing.assert_array_equal(loaded({"a": x(1), "b": x(2)}), expected)


BAD_INPUTS = {
    "none": ((), TypeError, "`inputs` must be 1 arrays, \\['x'\\]. Received: 0"),
    "two": ((x(), x()), TypeError, "Received: 2"),
    "columns": ((x()[:, 1:],), ValueError, r"`x` must be \[None, 100\]. Received: \[3, 99\]"),
    "axes": ((x()[0],), ValueError, r"Received: \[100\]"),
    "text": ((np.array([["a"] * 100]),), TypeError, "`x` must be float32. Received: <U1"),
    "complex": ((x().astype(complex),), TypeError, "`x` must be float32. Received: complex128"),
}


@pytest.mark.parametrize("bad", BAD_INPUTS)
def test_wrong_inputs_are_named(tmp_path, bad):
    inputs, error, message = BAD_INPUTS[bad]
    with pytest.raises(error, match=message):
        BothWays(written(tmp_path, {"call": DENSE}))(*inputs)


def test_a_function_that_is_none(tmp_path):
    loaded = runtime.load(written(tmp_path, DOUBLED))
    for name in ("step", "double", ["call"]):
        with pytest.raises(ValueError, match=r"`name` must be one of \['call'\]"):
            loaded.function(name)
    assert repr(loaded).endswith("functions call)")


def test_a_file_without_a_graph(tmp_path):
    bcq_tf.save(tmp_path / "w.bcq.npy", ARRAYS)
    with pytest.raises(bcq_tf.FileFormatError, match="has no graph: `bcq_tf.export_runtime`"):
        runtime.load(tmp_path / "w.bcq.npy")


def test_assets(tmp_path):
    path = tmp_path / "graph.bcq.npy"
    graph_ = {"graph": {"version": 1, "functions": {"call": DENSE}}, "assets": ["words.txt"]}
    content = np.frombuffer(b"one\ntwo", np.uint8)
    bcq_tf.save(path, ARRAYS | {"assets/words.txt": content}, graph_)
    assert runtime.load(path).assets == {"words.txt": b"one\ntwo"}


@pytest.mark.parametrize("assets", [["words.txt"], "w", [7], {"bias": 1}, ["bias"]])
def test_assets_that_are_none(tmp_path, assets):
    path = written(tmp_path, {"call": DENSE}, metadata={"assets": assets})
    with pytest.raises(bcq_tf.FileFormatError, match="does not have what it names"):
        runtime.load(path)


def changed(functions, change) -> dict:
    copied = copy.deepcopy(functions)
    change(copied)
    return copied


def set_(*places_and_value):
    *places, last, value = places_and_value

    def change(whole):
        for place in places:
            whole = whole[place]
        whole[last] = value

    return change


HOSTILE = {
    "no_object": set_("call", 7),
    "no_nodes": lambda f: f["call"].pop("nodes"),
    "more": set_("call", "more", 1),
    "nodes_no_list": set_("call", "nodes", {}),
    "input_no_object": set_("call", "inputs", [7]),
    "input_shape": set_("call", "inputs", [SPEC | {"shape": [-1]}]),
    "input_shape_no_list": set_("call", "inputs", [SPEC | {"shape": "x"}]),
    "input_dtype": set_("call", "inputs", [SPEC | {"dtype": "object"}]),
    "input_dtype_no_text": set_("call", "inputs", [SPEC | {"dtype": ["float32"]}]),
    "input_name": set_("call", "inputs", [SPEC | {"name": 7}]),
    "node_no_object": set_("call", "nodes", 0, "add"),
    "node_without_inputs": lambda f: f["call"]["nodes"][0].pop("in"),
    "node_with_more": set_("call", "nodes", 0, "more", 1),
    "unknown_operation": set_("call", "nodes", 0, "op", "system"),
    "operation_no_name": set_("call", "nodes", 0, "op", ["add"]),
    "few_inputs": set_("call", "nodes", 1, "in", [1]),
    "many_inputs": set_("call", "nodes", 1, "in", [1, 1, 1]),
    "later_value": set_("call", "nodes", 0, "in", [2, "w"]),
    "own_value": set_("call", "nodes", 0, "in", [1, "w"]),
    "negative_value": set_("call", "nodes", 0, "in", [-1, "w"]),
    "true_as_value": set_("call", "nodes", 0, "in", [True, "w"]),
    "float_value": set_("call", "nodes", 0, "in", [0.0, "w"]),
    "no_value": set_("call", "nodes", 0, "in", [None, "w"]),
    "unknown_name": set_("call", "nodes", 0, "in", [0, "v"]),
    "constant_dtype": set_("call", "nodes", 1, "in", [1, {"object": 1}]),
    "constant_text": set_("call", "nodes", 1, "in", [1, {"float32": "x"}]),
    "constant_ragged": set_("call", "nodes", 1, "in", [1, {"float32": [[1], [1, 2]]}]),
    "constant_large": set_("call", "nodes", 1, "in", [1, {"uint8": 300}]),
    "two_constants": set_("call", "nodes", 1, "in", [1, {"float32": 1, "int32": 1}]),
    "no_attributes": lambda f: f["call"]["nodes"][0].pop("with"),
    "attribute_type": set_("call", "nodes", 0, "with", {"precision": 1}),
    "attribute_more": set_("call", "nodes", 0, "with", {"precision": "exact", "path": "x"}),
    "attributes_no_object": set_("call", "nodes", 0, "with", []),
    "outputs_negative": set_("call", "nodes", 0, "out", -1),
    "outputs_true": set_("call", "nodes", 0, "out", True),
    "output_later": set_("call", "outputs", [3]),
    "output_text": set_("call", "outputs", ["v"]),
    "structure_later": set_("call", "structure", 1),
    "structure_inside": set_("call", "structure", {"a": [1]}),
    "structure_text": set_("call", "structure", "a"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_graph_that_breaks_a_rule_is_refused(tmp_path, name):
    path = written(tmp_path, changed({"call": DENSE}, HOSTILE[name]))
    with pytest.raises(bcq_tf.FileFormatError, match="is no file to run: its function") as raised:
        runtime.load(path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500 + len(str(path))


CALLS = {
    "itself": set_("call", "nodes", 0, "with", {"condition": "small", "body": "call"}),
    "unknown": set_("call", "nodes", 0, "with", {"condition": "small", "body": "other"}),
    "no_name": set_("call", "nodes", 0, "with", {"condition": "small", "body": 7}),
    "no_body": set_("call", "nodes", 0, "with", {"condition": "small"}),
    "more_values": set_("call", "nodes", 0, "out", 2),
    "more_inputs": set_("call", "nodes", 0, "in", [0, 0]),
    "condition_of_two": set_("small", "outputs", [1, 2]),
    "body_of_none": set_("double", "outputs", []),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_functions_that_do_not_fit_are_refused(tmp_path, name):
    path = written(tmp_path, changed(DOUBLED, CALLS[name]))
    with pytest.raises(bcq_tf.FileFormatError, match="is no file to run: its function"):
        runtime.load(path)


@pytest.mark.parametrize(
    "whole",
    [
        None,
        7,
        {},
        {"version": 1},
        {"version": 2, "functions": {}},
        {"version": True, "functions": {}},
        {"version": 1, "functions": []},
        {"version": 1, "functions": {}, "more": 1},
    ],
)
def test_what_is_no_graph_is_refused(tmp_path, whole):
    bcq_tf.save(tmp_path / "g.bcq.npy", ARRAYS, {"graph": whole})
    with pytest.raises(bcq_tf.FileFormatError, match="is no file to run: its graph"):
        runtime.load(tmp_path / "g.bcq.npy")


@pytest.mark.parametrize("functions", [{"call": DENSE}, DOUBLED, CHOSEN])
def test_a_graph_comes_back_as_it_went_in(functions):
    read = graph.from_json({"version": 1, "functions": functions}, ARRAYS)
    assert graph.to_json(read) == {"version": 1, "functions": functions}


def test_values_are_forgotten_after_their_last_use():
    (read,) = graph.from_json({"version": 1, "functions": {"call": DENSE}}, ARRAYS).values()
    assert graph.last_uses(read) == [[0], [1]]


def test_what_the_core_does_not_compute_with_numpy_does(tmp_path):
    values = np.array([[1, -2, 3]], "int16")
    spec = {"name": "x", "dtype": "int16", "shape": None}
    made = function([node("add", 0, 0)], [1], [spec])
    loaded = runtime.load(written(tmp_path, {"call": made}))
    for _ in range(2):
        np.testing.assert_array_equal(loaded(values), 2 * values)


def test_threads_run_a_file_at_once(tmp_path):
    loaded = runtime.load(written(tmp_path, {"call": DENSE}), threads=2)
    inputs = [x(seed) for seed in range(24)]
    expected = [loaded(each) for each in inputs]
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        for found, wanted in zip(threads.map(loaded, inputs), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_what_is_given_stays_when_the_file_is_gone(tmp_path):
    path = written(tmp_path, {"call": DENSE})
    loaded = runtime.load(path)
    path.unlink()
    found = loaded(x())
    kept = found.copy()
    loaded(x(1))
    del loaded
    gc.collect()
    np.testing.assert_array_equal(found, kept)
