"""`CompositionalEmbedding`: what it has beside other embeddings of codes."""

import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.layers import CompositionalEmbedding
from tests.layers.tables import COLUMNS, IDS, ROWS, SIZES, random_codes


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("M", "K"), SIZES)
def test_its_bytes(M, K, dtype):
    index_bits = max(1, int(np.ceil(np.log2(K))))
    arithmetic = ROWS * -(-M * index_bits // 8) + M * K * COLUMNS * np.dtype(dtype).itemsize
    layer = CompositionalEmbedding.from_codes(random_codes(M, K, dtype=dtype))
    assert layer.nbytes == arithmetic


def test_the_gradient_by_the_codebooks_is_the_sum_over_the_rows_that_use_a_vector():
    codes = random_codes(3, 5)
    layer = CompositionalEmbedding.from_codes(codes, trainable_codebooks=True)
    upstream = np.random.default_rng(1).normal(size=(*IDS.shape, COLUMNS)).astype("float32")
    expected = np.zeros((3, 5, COLUMNS))
    for row, dy in zip(IDS.ravel(), upstream.reshape(-1, COLUMNS), strict=True):
        for m, k in enumerate(codes.indexes()[row]):
            expected[m, k] += dy
    (variable,) = layer.trainable_variables
    assert variable.name == "embeddings_codebooks"

    def gradient():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(IDS) * upstream)
        return tape.gradient(loss, variable.value)

    for jit in (False, True):
        found = tf.function(gradient, jit_compile=jit)()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_trainable_codebooks_are_single_precision():
    half = random_codes(dtype="float16")
    layer = CompositionalEmbedding.from_codes(half, trainable_codebooks=True)
    assert layer.codes.codebooks.dtype == np.float32
    np.testing.assert_array_equal(layer.embeddings, half.reconstruct())


def test_bad_codes_are_refused():
    layer = CompositionalEmbedding.from_codes(random_codes())
    for other in (
        random_codes(M=4),
        random_codes(K=8),
        random_codes(rows=9),
        random_codes(dtype="float16"),
    ):
        with pytest.raises(ValueError, match="`codes` must be (those of Comp|.90, 12. for)"):
            layer.assign_codes("embeddings", other)
    with pytest.raises(TypeError, match="must be CompositionalCodes. Received: BinaryCodes"):
        CompositionalEmbedding.from_codes(bcq_tf.quantize(np.ones((4, 3)), 1))
    weight = layer.packed_weights["embeddings"].to_dict()
    for wrong, error in (
        ({"count": 0}, "`count` must be a positive integer. Received: count=0"),
        ({"dtype": "int8"}, "`dtype` must be one of .* Received: dtype='int8'"),
    ):
        with pytest.raises(ValueError, match=error):
            CompositionalEmbedding(ROWS, COLUMNS, packed_weights={"embeddings": weight | wrong})
