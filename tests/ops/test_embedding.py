"""Rows of embedding tables and their gradients, against NumPy."""

import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from bcq_tf import native
from bcq_tf.ops import engine, portable_ops
from bcq_tf.ops.embedding import gather_rows, gather_rows_sparse
from bcq_tf.ops.tables import Tables

FORMS = {
    "one table": Tables([50], [24]),
    "one column": Tables([9], [1]),
    "one row": Tables([1], [300]),
    "two tables": Tables([7, 3], [5, 17]),
    "many tables": Tables(range(1, 13), [1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 32, 33]),
}
DTYPES = ["float32", "float16", "bfloat16"]
EVERY_FORM = pytest.mark.parametrize("tables", FORMS.values(), ids=list(FORMS))


def random_table(tables, dtype="float32", seed=0):
    shape = (tables.sizes[0], tables.dims[0]) if len(tables) == 1 else (tables.elements,)
    return tf.cast(np.random.default_rng(seed).normal(size=shape), dtype)


def random_ids(tables, batch=200, seed=1, dtype="int64"):
    ids = np.random.default_rng(seed).integers(0, tables.sizes, (batch, len(tables)))
    return (ids[:, 0] if len(tables) == 1 else ids).astype(dtype)


def elements(tables, ids):
    """The element of all tables that each element of the result is, int64 [batch, columns]."""
    ids = np.reshape(ids, [-1, len(tables)])
    parts = [
        start + ids[:, t, np.newaxis] * dim + np.arange(dim)
        for t, (start, dim) in enumerate(zip(tables.starts, tables.dims, strict=True))
    ]
    return np.concatenate(parts, axis=1)


def gradient_of(table, ids, drows, tables):
    """(rows, the gradient of the table where drows is that of the rows)."""
    with tf.GradientTape() as tape:
        tape.watch(table)
        rows = gather_rows(table, ids, tables)
    return rows, tape.gradient(rows, table, drows)


@pytest.mark.parametrize("id_dtype", ["int32", "int64"])
@pytest.mark.parametrize("dtype", DTYPES)
@EVERY_FORM
def test_rows_and_gradient(ops, tables, dtype, id_dtype):
    table, ids = random_table(tables, dtype), random_ids(tables, dtype=id_dtype)
    drows = tf.cast(np.random.default_rng(2).normal(size=(200, tables.columns)), dtype)
    rows, gradient = gradient_of(table, ids, drows, tables)
    places = elements(tables, ids)
    np.testing.assert_array_equal(rows, np.ravel(table)[places])
    sums = np.zeros(tables.elements, np.float32)
    np.add.at(sums, places, np.asarray(drows, np.float32))  # in the order of the ids
    assert gradient.shape == table.shape
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(np.ravel(gradient), tf.cast(sums, dtype))


@pytest.mark.parametrize("ids", [5, [], [[1, 2], [3, 3]], np.zeros([0, 4], int)])
def test_ids_of_any_shape(ops, ids):
    tables = FORMS["one table"]
    table, ids = random_table(tables), np.asarray(ids, np.int64)
    rows, gradient = gradient_of(table, ids, np.ones([*ids.shape, 24], np.float32), tables)
    assert rows.shape == (*ids.shape, 24)
    np.testing.assert_array_equal(rows, np.asarray(table)[ids])
    assert float(tf.reduce_sum(gradient)) == 24 * ids.size


def test_ids_of_many_tables_of_any_shape(ops):
    tables = FORMS["two tables"]
    ids = random_ids(tables, batch=6).reshape(2, 3, 2)
    rows, gradient = gradient_of(random_table(tables), ids, np.ones([2, 3, 22], "f"), tables)
    assert rows.shape == (2, 3, 22)
    assert float(tf.reduce_sum(gradient)) == 6 * 22
    rows, gradient = gradient_of(random_table(tables), ids[:0], np.ones([0, 3, 22], "f"), tables)
    assert rows.shape == (0, 3, 22)
    assert not np.any(gradient)


@EVERY_FORM
def test_gradients_of_the_gradient(ops, tables):
    table, ids = random_table(tables), random_ids(tables)
    drows = tf.constant(np.random.default_rng(3).normal(size=(200, tables.columns)), tf.float32)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch([table, drows])
        with tf.GradientTape() as inner:
            inner.watch(table)
            rows = gather_rows(table, ids, tables)
        gradient = inner.gradient(rows, table, drows)
        square = tf.reduce_sum(gradient**2)
    expected = 2 * np.ravel(gradient)[elements(tables, ids)]
    np.testing.assert_allclose(outer.gradient(square, drows), expected, rtol=1e-6)
    assert outer.gradient(square, table) is None  # it does not depend on it


@pytest.mark.parametrize("jit", [False, True])
@EVERY_FORM
def test_in_a_function(ops, tables, jit):
    table, ids = tf.Variable(random_table(tables)), random_ids(tables, dtype="int32")
    drows = tf.ones([200, tables.columns])
    expected = gradient_of(table, ids, drows, tables)
    function = tf.function(lambda ids: gradient_of(table, ids, drows, tables), jit_compile=jit)
    for found, value in zip(function(tf.constant(ids)), expected, strict=True):
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(("form", "shape"), [("one table", [None]), ("two tables", [None, 2])])
def test_sizes_that_are_unknown_while_tracing(ops, form, shape):
    tables = FORMS[form]
    table = tf.Variable(random_table(tables))

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.int32)])
    def run(ids):
        with tf.GradientTape() as tape:
            rows = gather_rows(table, ids, tables)
        return rows, tape.gradient(rows, table)

    rows, gradient = run.get_concrete_function().output_shapes
    assert rows.as_list() == [None, tables.columns]
    assert gradient == table.shape
    for batch in (0, 3):
        ids = random_ids(tables, batch, dtype="int32")
        rows, gradient = run(ids)
        np.testing.assert_array_equal(rows, np.ravel(table)[elements(tables, ids)])
        assert float(tf.reduce_sum(gradient)) == batch * tables.columns


def sparse_gradient(variable, ids, **options):
    with tf.GradientTape() as tape:
        rows = gather_rows_sparse(variable, ids, **options)
        loss = tf.reduce_sum(rows * tf.range(1.0, tf.cast(tf.size(ids), tf.float32) + 1)[:, None])
    gradient = tape.gradient(loss, variable)
    return rows, gradient.values, gradient.indices


@pytest.mark.parametrize("id_dtype", ["int32", "int64"])
@pytest.mark.parametrize("traced", [False, True])
def test_a_sparse_gradient_has_each_row_once(ops, traced, id_dtype):
    variable = tf.Variable(random_table(Tables([50], [4])))
    ids = np.array([7, 3, 7, 49, 3, 7], id_dtype)
    function = tf.function(sparse_gradient) if traced else sparse_gradient
    rows, values, indices = function(variable, tf.constant(ids))
    np.testing.assert_array_equal(rows, variable.numpy()[ids])
    assert indices.numpy().tolist() == [7, 3, 49]
    np.testing.assert_array_equal(values, np.repeat([[10.0], [7], [4]], 4, 1))


def test_a_sparse_gradient_with_a_row_for_each_id(ops):
    variable = tf.Variable(random_table(Tables([50], [4])))
    ids = tf.constant([7, 3, 7])
    rows, values, indices = sparse_gradient(variable, ids, repeats=False)
    np.testing.assert_array_equal(rows, variable.numpy()[ids])
    assert indices.numpy().tolist() == [7, 3, 7]
    np.testing.assert_array_equal(values, np.repeat([[1.0], [2], [3]], 4, 1))


@pytest.mark.parametrize("count", [0, 1, 9])
def test_a_sparse_gradient_under_xla_has_the_same_sums(ops, count):
    variable = tf.Variable(random_table(Tables([50], [4])))
    ids = tf.constant(np.random.default_rng(4).integers(0, 5, count), tf.int32)
    rows, values, indices = tf.function(sparse_gradient, jit_compile=True)(variable, ids)
    np.testing.assert_array_equal(rows, variable.numpy()[ids])
    sums, expected = np.zeros([50, 4]), np.zeros([50, 4])
    np.add.at(sums, indices, values)
    np.add.at(expected, ids, np.arange(1.0, count + 1)[:, None])
    np.testing.assert_array_equal(sums, expected)
    rows_with_values = indices.numpy()[np.any(values.numpy() != 0, axis=1)]
    assert len(set(rows_with_values)) == len(rows_with_values)


def test_a_variable_whose_rows_are_taken_can_be_changed(ops):
    variable = tf.Variable(tf.zeros([50, 4]))

    @tf.function
    def run():
        before = gather_rows_sparse(variable, [3])
        variable.scatter_add(tf.IndexedSlices(tf.ones([1, 4]), [3]))
        between = gather_rows_sparse(variable, [3])
        variable.assign_add(tf.ones([50, 4]))
        return before, between, gather_rows_sparse(variable, [3])

    for step in range(2):
        assert [float(rows[0, 0]) - 2 * step for rows in run()] == [0, 1, 2]


BAD = [-1, 50, 2**31 - 1, -(2**31)]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_an_id_that_is_no_row_is_an_error_that_names_it(ops, bad, traced, sparse):
    tables = FORMS["one table"]
    variable = tf.Variable(random_table(tables))

    def gather(ids):
        return gather_rows_sparse(variable, ids) if sparse else gather_rows(variable, ids, tables)

    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\[1\] ?= ?{bad}\b"):
        (tf.function(gather) if traced else gather)(tf.constant([3, bad]))


@pytest.mark.parametrize("traced", [False, True])
def test_of_many_tables_the_error_names_the_table(ops, traced):
    tables = FORMS["two tables"]
    table = random_table(tables)

    def gather(ids):
        return gather_rows(table, ids, tables)

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\btable 1\b|_table_1\b") as caught:
        (tf.function(gather) if traced else gather)(tf.constant([[6, 2], [0, 3]]))
    assert re.search(r"\] ?= ?3\b", str(caught.value))


@pytest.mark.parametrize("sparse", [False, True])
def test_an_id_that_is_no_row_under_xla(ops, sparse):
    tables = FORMS["one table"]
    variable = tf.Variable(random_table(tables))

    @tf.function(jit_compile=True)
    def gather(ids):
        return gather_rows_sparse(variable, ids) if sparse else gather_rows(variable, ids, tables)

    ids = tf.constant([3, 50, 4])
    if ops == "compiled":
        message = r"`ids` must be from 0 to 49. Received: ids\[1\]=50"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            gather(ids)
    else:
        rows = gather(ids).numpy()
        assert np.isnan(rows[1]).all()
        np.testing.assert_array_equal(rows[[0, 2]], variable.numpy()[[3, 4]])


def test_dtypes_that_are_not_taken(ops):
    tables = FORMS["one table"]
    with pytest.raises(TypeError, match="`table` must be one of float32.* Received: float64"):
        gather_rows(random_table(tables, "float64"), [1], tables)
    with pytest.raises(TypeError, match="`ids` must be int32 or int64. Received: uint8"):
        gather_rows(random_table(tables), np.array([1], np.uint8), tables)


@pytest.mark.parametrize(
    ("sizes", "dims", "message"),
    [
        ([], [], r"`sizes` must have a number for each table. Received: sizes=\[\]"),
        ([3, 0], [1, 1], "`sizes` must be an integer from 1 to .* Received: sizes=0"),
        ([3], [2.5], "`dims` must be an integer from 1 to .* Received: dims=2.5"),
        ([3], [True], "`dims` must be an integer .* Received: dims=True"),
        ([3], [2**31], "`dims` must be an integer from 1 to 2147483647. Received: dims=2147483648"),
        ([3, 4], [1], "`dims` must have one number for each of 2 `sizes`. Received: 1"),
        (3, [1], "`sizes` must be a list of integers. Received: sizes=3"),
        ("34", [1, 1], "`sizes` must be a list of integers. Received: sizes='34'"),
    ],
)
def test_sizes_of_tables_that_cannot_be(sizes, dims, message):
    with pytest.raises(ValueError, match=message):
        Tables(sizes, dims)


# The compiled ops called directly: an error and never a crash


@pytest.fixture
def library():
    if not engine.library():
        pytest.skip("the compiled ops are not loaded")
    return engine.library()


GATHER = {
    "table": tf.zeros([5, 3]),
    "ids": tf.zeros([4], tf.int64),
    "counted": tf.zeros([0], tf.int64),
    "sizes": [5],
    "dims": [3],
}
WRONG = {
    "table": (tf.zeros([15]), r"`table` must be \[5,3\]. Received: \[15\]"),
    "counted": (tf.zeros([], tf.int64), "must be a vector|must be rank 1"),
    "sizes": ([-2], "`sizes` and `dims` must be positive. Received: -2 and 3"),
    "dims": ([3, 3], "`sizes` and `dims` must have one number for each table"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("traced", [False, True])
def test_an_argument_that_does_not_fit(library, name, traced):
    value, message = WRONG[name]
    call = tf.function(library.bcq_tables_gather) if traced else library.bcq_tables_gather
    with pytest.raises(
        (tf.errors.InvalidArgumentError, ValueError), match=None if traced else message
    ):
        call(**{**GATHER, name: value})


def test_the_gradient_checks_its_inputs(library):
    arguments = {name: GATHER[name] for name in ("ids", "counted", "sizes", "dims")}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`dout` must be \[4,3\]"):
        library.bcq_tables_gradient(dout=tf.zeros([4, 2]), **arguments)
    arguments["ids"] += 5
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"from 0 to 4. Received: ids\[0\]=5"):
        library.bcq_tables_gradient(dout=tf.zeros([4, 3]), **arguments)


def test_a_variable_of_another_shape_or_type(library):
    def rows(variable, dtype=tf.float32):
        return library.bcq_variable_rows(variable=variable.handle, ids=[0], size=5, dim=3, T=dtype)

    assert rows(tf.Variable(tf.zeros([5, 3]))).shape == (1, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`table` must be \[5,3\]"):
        rows(tf.Variable(tf.zeros([5, 4])))
    with pytest.raises(tf.errors.FailedPreconditionError, match="`variable` must have a value"):
        rows(tf.Variable(tf.zeros([5, 3])), tf.float16)


@pytest.mark.parametrize("op", ["BcqTablesGather", "BcqTablesGradient"])
def test_every_op_is_registered_for_the_cpu_and_for_cuda(library, op):
    gpu = native.library(native.TF_GPU)
    if gpu is None:
        pytest.skip("built without nvcc")
    tf.load_library(str(gpu))
    found = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op).kernel}
    assert {"CPU", "GPU"} <= found


def test_both_engines_give_the_same_bits():
    if not engine.library():
        pytest.skip("the compiled ops are not loaded")
    tables = Tables([1000], [40])
    table, ids = random_table(tables), random_ids(tables, 5000) // 10
    drows = tf.constant(np.random.default_rng(5).normal(size=(5000, 40)), tf.float32)
    found = gradient_of(table, ids, drows, tables)[1]
    with portable_ops():
        np.testing.assert_array_equal(gradient_of(table, ids, drows, tables)[1], found)
