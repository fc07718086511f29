"""gather_fields against a look at every single bit."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops.engine import BITWISE, lacking
from bcq_tf.ops.fields import gather_fields, nan_where_no_row

WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16]


def field(packed, row, column, bits):
    """Field `column` of a row, bit by bit."""
    places = range(column * bits, (column + 1) * bits)
    return sum(int(packed[row, t // 8] >> (t % 8) & 1) << i for i, t in enumerate(places))


def random_rows(bits, columns, rows=7):
    """Random bytes, those of the padding too."""
    rng = np.random.default_rng(bits * 100 + columns)
    return rng.integers(0, 256, (rows, -(-columns * bits // 8)), np.uint8)


@pytest.mark.parametrize(
    ("columns", "jit"), [(1, False), (2, False), (8, False), (13, False), (13, True)]
)
@pytest.mark.parametrize("bits", WIDTHS)
def test_fields_are_the_bits_at_their_place(bits, columns, jit):
    packed = random_rows(bits, columns)
    ids = np.array([[6, 0, 3], [3, 1, 1]])

    def gather(ids):
        return gather_fields(packed, ids, bits, columns)

    if jit:
        gather = tf.function(gather, jit_compile=True)
    expected = [[[field(packed, r, c, bits) for c in range(columns)] for r in row] for row in ids]
    fields = gather(tf.constant(ids))
    assert fields.dtype == tf.int32
    np.testing.assert_array_equal(fields, expected)


@pytest.mark.parametrize("columns", [1, 13])
@pytest.mark.parametrize("bits", WIDTHS)
def test_without_operations_on_bits(bits, columns):
    packed, ids = random_rows(bits, columns), np.arange(7)
    with lacking(BITWISE):
        graph = tf.function(lambda ids: gather_fields(packed, ids, bits, columns))
        fields = graph(ids)
        operations = {
            node.op for node in graph.get_concrete_function(ids).graph.as_graph_def().node
        }
    np.testing.assert_array_equal(fields, gather_fields(packed, ids, bits, columns))
    assert not operations & {"BitwiseAnd", "BitwiseOr", "LeftShift", "RightShift"}


@pytest.mark.parametrize("bits", [2, 3])
@pytest.mark.parametrize("ids", [4, [], np.zeros([0, 4], np.int64), np.array([[1], [2]], np.uint8)])
def test_ids_of_any_shape_and_integer_dtype(bits, ids):
    packed = random_rows(bits, 5)
    ids = np.asarray(ids, None if len(np.shape(ids)) > 1 else np.int32)
    every = gather_fields(packed, np.arange(7), bits, 5).numpy()
    np.testing.assert_array_equal(gather_fields(packed, ids, bits, 5), every[ids.astype(int)])


@pytest.mark.parametrize("bits", [4, 5])
@pytest.mark.parametrize("shape", [[None], [None, 2], None])
def test_sizes_that_are_unknown_while_tracing(bits, shape):
    packed = random_rows(bits, 5)
    gather = tf.function(
        lambda ids: gather_fields(packed, ids, bits, 5),
        input_signature=[tf.TensorSpec(shape, tf.int32)],
    )
    if shape is not None:
        assert gather.get_concrete_function().output_shapes.as_list() == [*shape, 5]
    ids = np.array([[5, 6]])[0 if shape == [None] else slice(None)]
    np.testing.assert_array_equal(gather(ids), gather_fields(packed, ids, bits, 5))


@pytest.mark.parametrize("bits", [4, 5])
@pytest.mark.parametrize("bad", [-1, 7, 2**31])
def test_an_id_that_is_no_row_is_an_error_that_names_it(bits, bad):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"\[1\] = {bad}\b"):
        gather_fields(random_rows(bits, 5), tf.constant([3, bad], tf.int64), bits, 5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_values_of_ids_that_are_no_rows_are_nan(dtype):
    values = tf.ones([2, 2, 3], dtype)
    marked = nan_where_no_row(values, [[0, 7], [-1, 6]], 7)
    assert marked.dtype == dtype
    np.testing.assert_array_equal(tf.math.is_nan(marked)[..., 0], [[False, True], [True, False]])


def test_arguments_that_do_not_fit():
    packed = random_rows(4, 5)
    with pytest.raises(ValueError, match="`bits` must be from 1 to 16. Received: bits=17"):
        gather_fields(packed, [0], 17, 5)
    with pytest.raises(ValueError, match=r"`packed` must have 2 bytes a row .* shape \(7, 3\)"):
        gather_fields(packed, [0], 4, 4)
    with pytest.raises(TypeError, match="`ids` must be integers. Received: float32"):
        gather_fields(packed, [0.0], 4, 5)
