"""Whatever an op is given, and whoever wrote the graph: an error, never a crash."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import engine
from tests.ops import calls as good
from tests.ops.calls import COLUMNS, REFUSED, ROADS, ROWS, eager, is_refused, xla

pytestmark = pytest.mark.skipif(not engine.library(), reason="the compiled ops are not loaded")

LEAST, MOST = -(2**63), 2**63 - 1
NO_ROWS = [-1, LEAST, MOST]


def tensors(dtype, *shapes):
    return [tf.zeros(shape, dtype) for shape in shapes]


def rows_of(numbers):
    return tf.constant(np.broadcast_to(numbers, [ROWS]), tf.uint32)


def ids(dtype, *numbers):
    return [tf.constant([0, n], dtype) for n in numbers]


def in_pairs(*numbers):
    return [tf.constant([[0, 1], [n, 0]], tf.int32) for n in numbers]


ROW_NUMBERS = [
    *tensors(tf.uint32, [], [0], [9], [ROWS, 1]),
    *map(rows_of, [0, ROWS, 2**31, 2**32 - 1, np.arange(ROWS)[::-1]]),
]
CODES = {
    "tiles": tensors(tf.uint32, [], [0], [7], [1024, 1]),
    "scales": tensors(tf.float32, [], [0], [1, 3, 71], [1, 3, ROWS, 1]),
    "offset": tensors(tf.float32, [], [ROWS], [1, 71]),
    "row_order": ROW_NUMBERS,
    "row_place": ROW_NUMBERS,
    "rows": [LEAST, -1, 0, 69, 71, 2**31, 2**62, MOST],
    "columns": [LEAST, -4, 0, 99, 2**31, 2**62, MOST],
    "group_size": [LEAST, -32, 0, 33, 64, MOST],
    "plane_rows": [
        [], [70, 60], [70] * 9, [70, 60, 61], [70, 60, -1], [71, 60, 45], [LEAST] * 3, [MOST] * 3,
    ],
}  # fmt: skip
SOME_CODES = {name: values[::3] for name, values in CODES.items()}
X = tensors(tf.float32, [], [0], [COLUMNS, 2], [2, COLUMNS + 1])
DY = tensors(tf.float32, [], [0], [ROWS, 2], [2, ROWS + 1])
ONE_TABLE = {
    "counted": tensors(tf.int64, [], [0, 0]),
    "ids": ids(tf.int64, 5, *NO_ROWS),
    "sizes": [[], [5, 5], [-2], [LEAST], [2**61], [MOST]],
    "dims": [[], [3, 3], [0], [-1], [-4], [LEAST], [2**61], [MOST]],
}
TWO_TABLES = {
    "ids": [*tensors(tf.int32, [], [0], [2, 3]), *in_pairs(5, -1, 2**31 - 1, -(2**31))],
    "sizes": [[], [5], [5, 2, 1], [-1, 2], [5, LEAST], [5, 2**61], [2**62, 2**62], [MOST] * 2],
    "dims": [[], [3], [3, 4, 1], [3, 0], [3, -4], [LEAST, 4], [2**62, 2**62], [MOST] * 2],
}
PACKED = {
    "packed": tensors(tf.uint8, [], [20], [20, 3], [20, 2, 1], [0, 2]),
    "ids": ids(tf.int64, 20, *NO_ROWS) + ids(tf.int32, 20, -1, 2**31 - 1, -(2**31)),
    "bits": [LEAST, -1, 0, 17, 2**31, 2**32 + 3, 2**62, MOST],
}
WRONG = {
    "product": {**CODES, "x": X, "precision": ["", "exactly"]},
    "product_transposed": {**SOME_CODES, "dy": DY},
    "product_scale_gradient": {**SOME_CODES, "x": X, "dy": DY},
    "gather": {**SOME_CODES, "ids": ids(tf.int64, ROWS, *NO_ROWS), "T": [tf.float64, tf.int32]},
    "columns": {**SOME_CODES, "T": [tf.float64, tf.int32]},
    "gather_scale_gradient": {
        **SOME_CODES,
        "ids": [*ids(tf.int64, *NO_ROWS), tf.zeros([0], tf.int64)],
        "dout": tensors(tf.float32, [], [0], [2, 2], [2, 2, COLUMNS, 1]),
    },
    "tables_gather": {**ONE_TABLE, "table": tensors(tf.float32, [], [0], [5], [3, 5], [5, 3, 1])},
    "tables_gather of two": {**TWO_TABLES, "table": tensors(tf.float32, [], [0], [24], [23, 1])},
    "tables_gradient": {**ONE_TABLE, "dout": tensors(tf.float32, [], [0], [2, 4], [2, 3, 1])},
    "tables_gradient of two": {**TWO_TABLES, "dout": tensors(tf.float32, [], [2, 8], [3, 7])},
    "unique_ids": {"ids": ids(tf.int64, 4, *NO_ROWS), "size": [LEAST, -4, 0, 3]},
    "uniform_rows": {
        **PACKED,
        "half_step": tensors(tf.float32, [0], [1], [1, 1]),
        "zero_rows": tensors(tf.uint8, [], [2], [3, 1]),
        "columns": [LEAST, -1, 0, 6, 2**60, 2**61, MOST],
    },
    "compositional_rows": {
        **PACKED,
        "packed": [*PACKED["packed"], tf.fill([20, 2], np.uint8(255))],
        "codebooks": tensors(tf.float32, [], [5, 6], [5, 9, 4], [5, 0, 4], [5, 6, 0], [0, 6, 4]),
    },
    "compositional_gradient": {
        **PACKED,
        "packed": [*PACKED["packed"], tf.fill([20, 2], np.uint8(255))],
        "dout": tensors(tf.float32, [], [0], [4, 0], [5, 7]),
        "count": [LEAST, -1, 0, 6, 2**40, 2**62, MOST],
        "entries": [LEAST, -1, 0, 9, 2**40, 2**62, MOST],
    },
    "variable_rows": {
        "variable": list(good.other_variables().values()),
        "ids": ids(tf.int64, 5, *NO_ROWS),
        "T": [tf.float16, tf.float64],
        "size": [LEAST, -1, 0, 4, 2**62, MOST],
        "dim": [LEAST, -1, 0, 4, 2**61, MOST],
    },
}
CASES = [(name, argument) for name, arguments in WRONG.items() for argument in arguments]


def values_on(road, values):
    """All for eager calls; of more than two every third for the slower roads, for each another."""
    if road is eager or len(values) < 3:
        return values
    return values[ROADS.index(road) - 1 :: 3]


@pytest.fixture(scope="module")
def calls():
    return good.calls()


def test_every_op_stands_here(calls):
    ops = {name for name in dir(engine.library()) if name.startswith("bcq_")}
    ops -= {name for name in ops if name.endswith("_eager_fallback")}
    assert {call.op for call in calls.values()} == ops
    for name, call in calls.items():
        assert set(WRONG[name]) >= set(call.arguments) - {"counted"}


@pytest.mark.parametrize("road", ROADS)
def test_good_calls_give_results(calls, road):
    for call in calls.values():
        road(call)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(("name", "argument"), CASES)
def test_a_wrong_argument_is_an_error(calls, name, argument, road):
    for value in values_on(road, WRONG[name][argument]):
        assert is_refused(road, calls[name].but(**{argument: value})), value


TOO_LARGE = {  # name: (arguments, the shapes of tensors that XLA need not make)
    "product": ({}, {"x": [2**38, COLUMNS]}),
    "product_transposed": ({}, {"dy": [2**38, ROWS]}),
    "gather": ({}, {"ids": [2**40]}),
    "tables_gather": ({"dims": [2**20], "sizes": [0]}, {"ids": [2**30], "table": [0, 2**20]}),
    "tables_gather of two": (
        {"dims": [2**61] * 2, "sizes": [0, 0]},
        {"table": [0], "ids": [2, 2]},
    ),
    "tables_gradient": ({"sizes": [2**45]}, {}),
    "tables_gradient of two": ({"sizes": [2**62, 2], "dims": [3, 4]}, {}),
    "unique_ids": ({}, {"ids": [2**45]}),
    "uniform_rows": ({}, {"ids": [2**60]}),
    "compositional_rows": ({}, {"ids": [2**60]}),
    "compositional_gradient": ({}, {"dout": [4, 2**60]}),
    "variable_rows": ({}, {"ids": [2**60]}),
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_result_too_large_for_any_memory_is_an_error_while_tracing(calls, name, jit):
    attributes, shapes = TOO_LARGE[name]
    call = calls[name].but(**attributes)

    def first_of_results():
        given = {n: tf.zeros(shape, call.tensors[n].dtype) for n, shape in shapes.items()}
        return [tf.reshape(result, [-1])[:1] for result in tf.nest.flatten(call(**given))]

    with pytest.raises(REFUSED, match="2.44 elements|must be positive"):
        tf.function(first_of_results, jit_compile=jit).get_concrete_function()


# TensorFlow asks for memory for ten seconds; what is traced runs the same kernel as what is not.
@pytest.mark.parametrize("road", [eager, xla])
def test_a_result_that_memory_does_not_hold(calls, road):
    call = calls["tables_gradient"].but(sizes=[2**41])  # 24 TiB
    with pytest.raises(tf.errors.ResourceExhaustedError):
        road(call)


@pytest.mark.parametrize("name", ["gather", "tables_gather", "uniform_rows", "variable_rows"])
def test_more_dimensions_than_tensors_have(calls, name):
    call = calls[name].but(ids=tf.ones([1] * 254, tf.int64))
    for road in ROADS:
        assert is_refused(road, call)
