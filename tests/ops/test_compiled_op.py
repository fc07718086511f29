"""The compiled ops called directly: whatever they are given, an error and never a crash."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from bcq_tf import native
from bcq_tf.ops import TiledCodes, compiled, engine
from tests.ops.codes import random_codes


@pytest.fixture
def library():
    if not engine.library():
        pytest.skip("the compiled ops are not loaded")
    return engine.library()


@pytest.fixture
def arguments():
    codes = TiledCodes.from_codes(random_codes(ragged=True, offset=True))
    return {"x": tf.ones([2, 100]), **compiled._arguments(codes)}


BAD = {
    "tiles": (tf.zeros([7], tf.uint32), r"`tiles` must be \[.*\]. Received: \[7\]"),
    "scales": (tf.zeros([1, 3, 71]), r"`scales` must be \[1,3,70\]. Received: \[1,3,71\]"),
    "offset": (tf.zeros([70]), r"`offset` must be \[1,70\] or \[0\]. Received: \[70\]"),
    "row_order": (tf.zeros([0], tf.uint32), "`row_order` and `row_place` must both be given"),
    "row_place": (tf.zeros([9], tf.uint32), r"`row_place` must be \[70\] or \[0\]. Received"),
    "x": (tf.ones([2, 99]), r"`x` must be \[..., 100\]. Received: \[2,99\]"),
    "rows": (69, "`rows`, `columns` and `plane_rows` must be"),
    "columns": (2**62, "must be"),
    "group_size": (33, "`group_size` must be a multiple of 32 or `columns`. Received: 33"),
    "plane_rows": ([70] * 9, "`plane_rows` must have 1 to 8 planes. Received: 9"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("traced", [False, True])
def test_an_argument_that_does_not_fit(library, arguments, name, traced):
    value, message = BAD[name]
    call = tf.function(library.bcq_product) if traced else library.bcq_product
    with pytest.raises(
        (tf.errors.InvalidArgumentError, ValueError), match=None if traced else message
    ):
        call(**{**arguments, name: value})


@pytest.mark.parametrize("name", ["row_order", "row_place"])
@pytest.mark.parametrize("number", [70, 2**31, 2**32 - 1])
@pytest.mark.parametrize("jit", [False, True])
def test_a_row_number_that_is_no_row(library, arguments, name, number, jit):
    numbers = np.arange(70, dtype=np.uint32)
    numbers[5] = number
    call = tf.function(library.bcq_product, jit_compile=True) if jit else library.bcq_product
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"0 to 69. Received: {number}"):
        call(**{**arguments, name: tf.constant(numbers)})


def test_gradient_ops_check_both_of_their_inputs(library, arguments):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`dy` must be \[2,70\]"):
        library.bcq_product_scale_gradient(dy=tf.ones([3, 70]), **arguments)
    arguments.pop("x")
    ids = tf.constant([0, 1], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`dout` must be \[2,100\]"):
        library.bcq_gather_scale_gradient(ids=ids, dout=tf.ones([1, 100]), **arguments)


OPS = (
    "BcqProduct",
    "BcqProductTransposed",
    "BcqProductScaleGradient",
    "BcqColumns",
    "BcqGather",
    "BcqGatherScaleGradient",
)


@pytest.mark.parametrize("op", OPS)
def test_every_op_is_registered_for_the_cpu_and_for_cuda(library, op):
    gpu = native.library(native.TF_GPU)
    if gpu is None:
        pytest.skip("built without nvcc")
    tf.load_library(str(gpu))
    found = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op).kernel}
    assert {"CPU", "GPU"} <= found
