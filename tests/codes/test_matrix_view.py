"""`MatrixView`: any weight as a matrix and back."""

import json

import keras
import numpy as np
import pytest

from bcq_tf.codes import MatrixView

VIEWS = [
    MatrixView((3, 5), rows=(1,), columns=(0,)),
    MatrixView((3, 5), rows=(0,), columns=(1,)),
    MatrixView((4,), rows=(), columns=(0,)),
    MatrixView((3, 2, 5, 7), rows=(3,), columns=(0, 1, 2)),
    MatrixView((3, 2, 5, 7), rows=(2,), columns=(0, 1, 3)),
    MatrixView((4, 2, 3), rows=(2, 0), columns=(1,)),
    MatrixView((4, 2, 3, 5), rows=(3, 1), columns=(2, 0)),
]


def slow_matrix(view, array):
    """The definition: element by element, the last of several axes running fastest."""
    matrix = np.zeros(view.matrix_shape, array.dtype)
    for index in np.ndindex(*array.shape):
        row = column = 0
        for axis in view.rows:
            row = row * array.shape[axis] + index[axis]
        for axis in view.columns:
            column = column * array.shape[axis] + index[axis]
        matrix[row, column] = array[index]
    return matrix


@pytest.mark.parametrize("view", VIEWS, ids=str)
class TestEveryView:
    def test_to_matrix_is_the_definition(self, view):
        array = np.arange(np.prod(view.shape), dtype=np.float32).reshape(view.shape)
        np.testing.assert_array_equal(view.to_matrix(array), slow_matrix(view, array))

    def test_from_matrix_is_the_inverse(self, view):
        array = np.arange(np.prod(view.shape), dtype=np.float32).reshape(view.shape)
        matrix = view.to_matrix(array)
        assert matrix.shape == view.matrix_shape
        np.testing.assert_array_equal(view.from_matrix(matrix), array)

    def test_backend_tensors_give_the_same(self, view):
        array = np.arange(np.prod(view.shape), dtype=np.float32).reshape(view.shape)
        matrix = view.to_matrix(keras.Variable(array), ops=keras.ops)
        assert keras.ops.is_tensor(matrix)
        np.testing.assert_array_equal(matrix, view.to_matrix(array))
        np.testing.assert_array_equal(view.from_matrix(matrix, ops=keras.ops), array)

    def test_inverse_permutation_undoes_the_permutation(self, view):
        permuted = [view.permutation[i] for i in view.inverse_permutation]
        assert permuted == list(range(len(view.shape)))

    def test_a_view_survives_json(self, view):
        text = json.dumps(view.to_dict())
        assert MatrixView.from_dict(json.loads(text)) == view


def test_numpy_integers_become_plain_ones():
    view = MatrixView(np.array([3, 5]), rows=[np.int64(1)], columns=(np.int32(0),))
    assert view == MatrixView((3, 5), (1,), (0,))
    assert json.loads(json.dumps(view.to_dict())) == {"shape": [3, 5], "rows": [1], "columns": [0]}


@pytest.mark.parametrize(
    ("shape", "rows", "columns", "message"),
    [
        ((3, 5), (0, 1), (), "`rows` and `columns` must together name each of 2 axes once"),
        ((3, 5), (0,), (0,), r"Received: rows=\(0,\), columns=\(0,\)"),
        ((3, 5), (0,), (2,), r"columns=\(2,\)"),
        ((3, 5), (1,), (-2,), r"columns=\(-2,\)"),
        ((3, 5), (), (0,), "each of 2 axes"),
        ((), (), (), "each of 0 axes"),
        ((3, 0), (0,), (1,), r"`shape` must hold positive sizes. Received: shape=\(3, 0\)"),
        ((3, -1), (0,), (1,), "`shape` must hold positive sizes"),
    ],
)
def test_wrong_axes_are_refused(shape, rows, columns, message):
    with pytest.raises(ValueError, match=message):
        MatrixView(shape, rows, columns)


@pytest.mark.parametrize(
    ("shape", "rows", "columns", "name"),
    [
        (15, (0,), (1,), "shape"),
        ((3.0, 5), (0,), (1,), "shape"),
        ((3, None), (0,), (1,), "shape"),
        ((3, 5), 0, (1,), "rows"),
        ((3, 5), (False,), (1,), "rows"),
        ((3, 5), (0,), "1", "columns"),
    ],
)
def test_what_is_no_sequence_of_integers_is_refused(shape, rows, columns, name):
    with pytest.raises(TypeError, match=f"`{name}` must be a sequence of integers. Received:"):
        MatrixView(shape, rows, columns)


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"shape": [3], "columns": [0]},
     {"shape": [3], "rows": [], "columns": [0], "more": 1}],
)  # fmt: skip
def test_from_dict_refuses_what_to_dict_never_gives(data):
    with pytest.raises(ValueError, match="a matrix view must be a dict of"):
        MatrixView.from_dict(data)


def test_another_shape_is_refused():
    view = MatrixView((3, 5), rows=(1,), columns=(0,))
    with pytest.raises(ValueError, match=r"`array` must be \[3, 5\]. Received: \[5, 3\]"):
        view.to_matrix(np.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"`matrix` must be \[5, 3\]. Received: \[3, 5\]"):
        view.from_matrix(np.zeros((3, 5)))
