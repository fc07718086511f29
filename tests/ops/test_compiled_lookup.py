"""The compiled look-up ops called directly with wrong arguments: an error and never a crash."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import engine

pytestmark = pytest.mark.skipif(not engine.library(), reason="the compiled ops are not loaded")

IDS = tf.zeros([4], tf.int64)
ARGUMENTS = {
    "uniform_rows": {
        "packed": tf.zeros([20, 2], tf.uint8),
        "half_step": tf.constant(1.0),
        "zero_rows": tf.zeros([3], tf.uint8),
        "ids": IDS,
        "bits": 3,
        "columns": 5,
    },
    "compositional_rows": {
        "packed": tf.zeros([20, 2], tf.uint8),
        "codebooks": tf.zeros([5, 6, 4]),
        "ids": IDS,
        "bits": 3,
    },
    "compositional_gradient": {
        "packed": tf.zeros([20, 2], tf.uint8),
        "ids": IDS,
        "dout": tf.zeros([4, 7]),
        "bits": 3,
        "count": 5,
        "entries": 6,
    },
}
THREE_BYTES = tf.zeros([20, 3], tf.uint8)
TOO_LARGE = tf.fill([20, 2], np.uint8(255))
PACKED = r"`packed` must be \[rows, 2\]. Received: \[20,3\]"
WRONG = [  # op, argument, its value, the error
    ("uniform_rows", "packed", THREE_BYTES, PACKED),
    ("uniform_rows", "half_step", tf.zeros([1]), r"`half_step` must be \[\]. Received: \[1\]"),
    ("uniform_rows", "zero_rows", tf.zeros([2], tf.uint8), r"must be \[3\] or \[0\]. .* \[2\]"),
    ("uniform_rows", "ids", tf.constant([0, 20], tf.int64), r"to 19. Received: ids\[1\]=20"),
    ("uniform_rows", "bits", 9, "`bits` must be from 1 to 8. Received: bits=9"),
    ("uniform_rows", "columns", 2**62, "A row must have one field or more. Received: 46"),
    ("compositional_rows", "packed", THREE_BYTES, PACKED),
    ("compositional_rows", "packed", TOO_LARGE, "the codes break a rule"),
    ("compositional_rows", "codebooks", tf.zeros([5, 9, 4]), "K at most 8 .* Received: .5,9,4"),
    ("compositional_rows", "codebooks", tf.zeros([5, 8, 0]), "`codebooks` must be .* not empty"),
    ("compositional_rows", "bits", 17, "`bits` must be from 1 to 16. Received: bits=17"),
    ("compositional_rows", "ids", tf.constant([0, 20], tf.int64), r"to 19. Received: ids\[1\]=20"),
    ("compositional_gradient", "packed", THREE_BYTES, PACKED),
    ("compositional_gradient", "packed", TOO_LARGE, "the codes break a rule"),
    ("compositional_gradient", "dout", tf.zeros([5, 7]), r"`dout` must be \[4,7\]. .* \[5,7\]"),
    ("compositional_gradient", "entries", 9, "with K at most 8"),
    ("compositional_gradient", "bits", 17, "`bits` must be from 1 to 16. Received: bits=17"),
    ("compositional_gradient", "ids", IDS + 20, r"from 0 to 19. Received: ids\[0\]=20"),
]


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(("op", "argument", "value", "message"), WRONG)
def test_an_argument_that_does_not_fit(op, argument, value, message, jit):
    call = getattr(engine.library(), f"bcq_{op}")
    if jit:
        call = tf.function(call, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call(**ARGUMENTS[op] | {argument: value})
