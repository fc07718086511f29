"""What `uniform_gather` and `compositional_gather` have in common, against the codes' matrix."""

import numpy as np
import pytest
import tensorflow as tf

from tests.ops.tables import ROWS, TABLES, make_table

SOME = [
    "uniform, 3 bits",
    "uniform, 5 bits, rows of zeros",
    "compositional, few columns, float32",
    "compositional, long indexes, float16",
]


@pytest.fixture
def table(request):
    return make_table(request.param)


every_table = pytest.mark.parametrize("table", TABLES, indirect=True)
some_tables = pytest.mark.parametrize("table", SOME, indirect=True)


def check_rows(table, jit, *ids):
    function = tf.function(table.rows, jit_compile=True) if jit else table.rows
    for received in ids:
        rows = function(tf.constant(received))
        assert rows.dtype == tf.float32
        np.testing.assert_array_equal(rows, table.expected(received))


@every_table
def test_rows_are_those_of_the_matrix_bit_for_bit(ops, table):
    check_rows(table, False, np.random.default_rng(1).integers(0, ROWS, (6, 30)))


@pytest.mark.parametrize("jit", [False, True])
@some_tables
def test_ids_of_any_shape_and_integer_type(ops, table, jit):
    ids = np.random.default_rng(1).integers(0, ROWS, (6, 30))
    kinds = [ids, ids.astype("int32"), ids.astype("uint8")]
    shapes = [ids[0, 0], ids[:, :0]] if jit else [ids[0], ids[0, 0], ids[:, :0]]
    check_rows(table, jit, *kinds, *shapes)


@pytest.mark.parametrize("shape", [[None], [None, 2], None])
@some_tables
def test_sizes_that_are_unknown_while_tracing(ops, table, shape):
    function = tf.function(table.rows, input_signature=[tf.TensorSpec(shape, tf.int32)])
    if shape is not None:
        columns = table.codes.shape[1]
        assert function.get_concrete_function().output_shapes.as_list() == [*shape, columns]
    ids = np.array([[5, 6]])[0 if shape == [None] else slice(None)]
    np.testing.assert_array_equal(function(ids), table.expected(ids))


@pytest.mark.parametrize("wrong", [-1, ROWS, 2**31 + 1])
@some_tables
def test_an_id_that_is_no_row(ops, table, wrong):
    ids = tf.constant([3, wrong, 0], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=str(wrong)):
        table.rows(ids)
    if wrong != -1:
        check_wrong_id_under_xla(ops, table, ids, wrong)


def check_wrong_id_under_xla(ops, table, ids, wrong):
    function = tf.function(table.rows, jit_compile=True)
    if ops == "compiled":
        message = rf"`ids` must be from 0 to 20. Received: ids\[1\]={wrong}"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(ids)
    else:
        rows = function(ids).numpy()
        assert np.isnan(rows[1]).all()
        np.testing.assert_array_equal(rows[[0, 2]], table.expected([3, 0]))


@some_tables
def test_ids_that_are_no_integers_are_refused(ops, table):
    with pytest.raises(TypeError, match="`ids` must be integers"):
        table.rows(tf.constant([1.0]))
