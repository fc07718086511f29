"""The whole matrix, transposed, as kernels of layers are: the reconstructed one, bit for bit."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import TiledCodes
from bcq_tf.ops.binary import bcq_columns
from tests.ops.codes import FORMS, random_codes


@pytest.mark.parametrize("form", FORMS)
def test_columns_are_those_of_the_reconstructed_matrix(ops, form):
    codes = random_codes(**FORMS[form])
    found = bcq_columns(TiledCodes.from_codes(codes))
    np.testing.assert_array_equal(found, codes.reconstruct().T)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph_and_rounded(ops, dtype, jit_compile):
    codes = random_codes(ragged=True, offset=True)
    tiled = TiledCodes.from_codes(codes)
    function = tf.function(lambda: bcq_columns(tiled, dtype), jit_compile=jit_compile)
    found = function()
    assert found.shape == codes.shape[::-1]
    np.testing.assert_array_equal(found, tf.cast(codes.reconstruct().T, dtype))
