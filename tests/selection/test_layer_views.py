"""How each layer type's weights are seen: the matrices multiply as the layers do, y = x W^T."""

import numpy as np
import pytest
from keras import layers

from bcq_tf.codes import MatrixView
from bcq_tf.selection.layer_views import NoView, view_weights

from .viewed_layers import built, matrices, random


def windows(x, sizes):
    """x [batch, *space, channels] to [batch, *positions, *sizes, channels]: what a kernel sees."""
    axes = tuple(range(1, 1 + len(sizes)))
    seen = np.lib.stride_tricks.sliding_window_view(x, sizes, axes)
    return np.moveaxis(seen, 1 + len(sizes), -1)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_dense():
    layer = built(layers.Dense(7, use_bias=False), None, 5)
    x = random(2, 5)
    close(layer(x), x @ matrices(layer)["kernel"].T)


@pytest.mark.parametrize(
    ("equation", "x_shape", "output_shape", "matrix_shape"),
    [
        ("ab,bc->ac", (2, 3), 4, (4, 3)),
        ("abc,cde->abde", (2, 3, 5), (None, 4, 6), (24, 5)),  # query of an attention
        ("abcd,cde->abe", (2, 3, 4, 6), (None, 5), (5, 24)),  # output of an attention
        ("...x,xy->...y", (2, 3, 5), 4, (4, 5)),
        ("ab...,bc->ac...", (2, 5, 3), 4, (4, 5)),
        ("abc,dc->abd", (2, 3, 5), (None, 4), (4, 5)),  # outputs first
        ("abc,bcd->abd", (2, 3, 5), (3, 4), (12, 5)),  # one matrix for each b
        ("abc,bc->a", (2, 3, 5), (), (1, 15)),  # one output
    ],
)
def test_einsum_dense(equation, x_shape, output_shape, matrix_shape):
    """Columns are the letters that the output lacks; rows are the others, in the weight's order."""
    layer = built(layers.EinsumDense(equation, output_shape), *x_shape)
    (view,) = view_weights(layer)
    matrix = view.to_matrix(layer.kernel.numpy())
    assert matrix.shape == matrix_shape
    # The same equation with the weight's letters regrouped as [rows, columns].
    operands, output = equation.split("->")
    inputs, letters = operands.split(",")
    rows = "".join(letters[axis] for axis in view.rows)
    columns = "".join(letters[axis] for axis in view.columns)
    sizes = [layer.kernel.shape[axis] for axis in view.permutation]
    x = random(*x_shape)
    y = np.einsum(f"{inputs},{rows}{columns}->{output}", x, matrix.reshape(sizes))
    close(layer(x), y)
    assert not set(columns) & set(output)


def test_einsum_dense_multiplies_as_one_matrix_product():
    layer = built(layers.EinsumDense("abcd,cde->abe", (None, 5)), 2, 3, 4, 6)
    x = random(2, 3, 4, 6)
    close(layer(x), x.reshape(2, 3, 24) @ matrices(layer)["kernel"].T)


@pytest.mark.parametrize(
    ("layer", "keys"),
    [
        (layers.MultiHeadAttention(num_heads=4, key_dim=6), 24),
        (layers.GroupQueryAttention(head_dim=6, num_query_heads=4, num_key_value_heads=2), 12),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_attention_through_its_einsum_layers(layer, keys):
    layer.build((2, 3, 10), (2, 3, 10))
    shapes = [w.matrix_shape for w in view_weights(layer) if isinstance(w, MatrixView)]
    assert sorted(shapes) == sorted([(24, 10), (keys, 10), (keys, 10), (10, 24)])
    assert {w.reason for w in view_weights(layer) if isinstance(w, NoView)} == {"bias"}


def test_embedding():
    layer = built(layers.Embedding(9, 4), None)
    table = matrices(layer)["embeddings"]
    close(layer(np.array([[3, 8]])), table[[[3, 8]]])


@pytest.mark.parametrize("tied", [True, False])
def test_reversible_embedding(tied):
    layer = built(layers.ReversibleEmbedding(9, 4, tie_weights=tied), None)
    seen = matrices(layer)
    assert {name: m.shape for name, m in seen.items()} == (
        {"embeddings": (9, 4)} if tied else {"embeddings": (9, 4), "reverse_embeddings": (9, 4)}
    )
    x = random(2, 4)
    close(layer(x, reverse=True), x @ seen["embeddings" if tied else "reverse_embeddings"].T)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolution(rank, groups):
    layer_type = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[rank - 1]
    sizes = (3, 2, 4)[:rank]
    layer = layer_type(6, sizes, groups=groups, use_bias=False)
    built(layer, None, *[None] * rank, 4)
    x = random(2, *(5, 6, 7)[:rank], 4)
    kernel = matrices(layer)["kernel"]
    channels, outputs = 4 // groups, 6 // groups
    parts = []
    for g in range(groups):
        seen = windows(x[..., g * channels : (g + 1) * channels], sizes)
        flat = seen.reshape(*seen.shape[: 1 + rank], -1)
        parts.append(flat @ kernel[g * outputs : (g + 1) * outputs].T)
    close(layer(x), np.concatenate(parts, -1))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolution(rank):
    layer_type = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)[rank - 1]
    sizes = (3, 2, 2)[:rank]
    layer = built(layer_type(6, sizes, use_bias=False), None, *[None] * rank, 4)
    x = random(2, *(5, 4, 3)[:rank], 4)
    # At stride 1 an output far from the border sees a window of inputs, turned round.
    seen = np.flip(windows(x, sizes), range(1 + rank, 1 + 2 * rank))
    inner = (slice(None), *(slice(k - 1, 1 - k) for k in sizes))
    flat = seen.reshape(*seen.shape[: 1 + rank], -1)
    close(layer(x).numpy()[inner], flat @ matrices(layer)["kernel"].T)


def depthwise_product(x, matrix, sizes):
    """Each row of the matrix on its own input channel; rows run over (channel, multiplier)."""
    rank = len(sizes)
    multiplier = len(matrix) // x.shape[-1]
    seen = windows(x, sizes)
    flat = seen.reshape(*seen.shape[: 1 + rank], -1, x.shape[-1])
    return np.einsum("...kr,rk->...r", np.repeat(flat, multiplier, -1), matrix)


@pytest.mark.parametrize("rank", [1, 2])
def test_depthwise_convolution(rank):
    layer_type = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)[rank - 1]
    sizes = (3, 2)[:rank]
    layer = layer_type(sizes, depth_multiplier=2, use_bias=False)
    built(layer, None, *[None] * rank, 4)
    x = random(2, *(5, 6)[:rank], 4)
    close(layer(x), depthwise_product(x, matrices(layer)["kernel"], sizes))


@pytest.mark.parametrize("rank", [1, 2])
def test_separable_convolution(rank):
    layer_type = (layers.SeparableConv1D, layers.SeparableConv2D)[rank - 1]
    sizes = (3, 2)[:rank]
    layer = layer_type(5, sizes, depth_multiplier=2, use_bias=False)
    built(layer, None, *[None] * rank, 4)
    x = random(2, *(5, 6)[:rank], 4)
    seen = matrices(layer)
    middle = depthwise_product(x, seen["depthwise_kernel"], sizes)
    close(layer(x), middle @ seen["pointwise_kernel"].T)


def simple_rnn_step(x, h, c, w, u):
    return np.tanh(x @ w.T + h @ u.T), c


def lstm_step(x, h, c, w, u):
    i, f, g, o = np.split(x @ w.T + h @ u.T, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, h, c, w, u):
    (xz, xr, xh), (hz, hr, hh) = np.split(x @ w.T, 3, -1), np.split(h @ u.T, 3, -1)
    z = sigmoid(xz + hz)
    return z * h + (1 - z) * np.tanh(xh + sigmoid(xr + hr) * hh), c


RECURRENT = [
    (layers.SimpleRNN, layers.SimpleRNNCell, simple_rnn_step),
    (layers.LSTM, layers.LSTMCell, lstm_step),
    (layers.GRU, layers.GRUCell, gru_step),
]


@pytest.mark.parametrize("as_cell", [False, True], ids=["layer", "RNN of a cell"])
@pytest.mark.parametrize(("layer_type", "cell_type", "step"), RECURRENT)
def test_recurrent(layer_type, cell_type, step, as_cell):
    """Kernels have gates x units rows; two steps of the textbook recurrence give the output."""
    layer = layers.RNN(cell_type(6, use_bias=False)) if as_cell else layer_type(6, use_bias=False)
    built(layer, None, None, 5)
    seen = matrices(layer)
    x = random(2, 2, 5)
    h = c = np.zeros((2, 6), np.float32)
    for t in range(2):
        h, c = step(x[:, t], h, c, seen["kernel"], seen["recurrent_kernel"])
    close(layer(x), h)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutional_lstm_gives_outputs_by_the_rest(rank):
    layer_type = (layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)[rank - 1]
    layer = built(layer_type(6, 3), None, 4, *[8] * rank, 5)
    assert {name: m.shape for name, m in matrices(layer).items()} == {
        "kernel": (24, 3**rank * 5),
        "recurrent_kernel": (24, 3**rank * 6),
    }
