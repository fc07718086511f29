"""Gradients against TensorFlow's own of the product with the dequantized matrix, in float64."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.ops import TiledCodes, bcq_gather, bcq_matmul
from bcq_tf.ops.binary import bcq_columns
from tests.ops.codes import FORMS, random_codes

SOME_FORMS = ["plain", "one_weight", "short_last_group", "ragged", "ragged_groups"]


def dequantized(codes, scales, offset=None):
    """The matrix as a function of scales [G, bits, R] and offset [G, R], slow and obvious."""
    columns = codes.shape[1]
    group = np.arange(columns) // (codes.group_size or columns)
    in_group = (group == np.arange(codes.groups)[:, np.newaxis]).astype(np.float64)  # [G, C]
    total = 0.0 if offset is None else tf.transpose(offset) @ in_group
    for i, signs in enumerate(codes.signs()):
        missing = codes.shape[0] - len(signs)
        signs = np.pad(signs, ((0, missing), (0, 0))).astype(np.float64)  # 0: not covered
        total += (tf.transpose(scales[:, i]) @ in_group) * signs
    return total if codes.row_order is None else tf.gather(total, np.argsort(codes.row_order))


def ours(codes):
    tiled = TiledCodes.from_codes(codes)

    def loss(x, ids, parts):
        own = tiled.with_parts(parts)
        return (
            tf.reduce_sum(tf.sin(bcq_matmul(x, own))),
            tf.reduce_sum(tf.cos(bcq_gather(own, ids))),
            tf.reduce_sum(tf.sin(bcq_columns(own)[:, 2:])),
        )

    return loss, tiled.parts


def theirs(codes):
    def loss(x, ids, parts):
        matrix = dequantized(codes, *parts)
        product = tf.matmul(x, matrix, transpose_b=True)
        return (
            tf.reduce_sum(tf.sin(product)),
            tf.reduce_sum(tf.cos(tf.gather(matrix, ids))),
            tf.reduce_sum(tf.sin(matrix[2:])),
        )

    parts = TiledCodes.from_codes(codes).parts
    return loss, [tf.cast(part, tf.float64) for part in parts]


def gradients(loss, x, ids, parts):
    """First gradients, and those of the sum of their squares, by x and the parts."""
    sources = (x, *parts)
    with tf.GradientTape() as outer:
        outer.watch(sources)
        with tf.GradientTape() as inner:
            inner.watch(sources)
            value = sum(loss(x, ids, parts))
        first = inner.gradient(value, sources)
        squares = sum(tf.reduce_sum(tf.square(tf.cast(g, x.dtype))) for g in first)
    return [*first, *outer.gradient(squares, sources)]


def check(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        size = np.sqrt(np.mean(np.square(other))) + 1e-3
        np.testing.assert_allclose(np.asarray(one, np.float64), other, atol=tolerance * size)


@pytest.mark.parametrize(
    ("form", "traced"), [*((form, False) for form in SOME_FORMS), ("ragged_groups", True)]
)
def test_first_and_second_gradients(ops, form, traced):
    smaller = {"bits": 2, "columns": 40} if traced else {}  # a loop over these is compiled
    codes = random_codes(**FORMS[form] | smaller)
    x = np.random.default_rng(3).normal(size=(4, codes.shape[1])) / np.sqrt(codes.shape[1])
    ids = np.random.default_rng(4).integers(0, codes.shape[0], 6)
    loss, parts = theirs(codes)
    expected = gradients(loss, tf.constant(x), ids, parts)
    loss, parts = ours(codes)

    def found(x):
        return gradients(loss, x, ids, parts)

    x = tf.constant(x, tf.float32)
    check((tf.function(found) if traced else found)(x), expected, 1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("scale_dtype", ["float16", "float32"])
def test_gradients_have_the_dtypes_of_what_they_are_of(ops, dtype, scale_dtype):
    codes = random_codes(offset=True, dtype=scale_dtype)
    x = tf.constant(np.random.default_rng(3).normal(size=(4, 100)) / 10, dtype)
    loss, parts = theirs(codes)
    expected = gradients(loss, tf.cast(x, tf.float64), [0, 5], parts)[:3]
    tiled = TiledCodes.from_codes(codes)
    with tf.GradientTape() as tape:
        tape.watch((x, *tiled.parts))
        rows = tf.cos(tf.cast(bcq_gather(tiled, [0, 5], dtype), tf.float32))
        product = tf.sin(tf.cast(bcq_matmul(x, tiled), tf.float32))
        turned = tf.sin(tf.cast(bcq_columns(tiled, dtype), tf.float32)[:, 2:])
        value = tf.reduce_sum(rows) + tf.reduce_sum(product) + tf.reduce_sum(turned)
    found = tape.gradient(value, (x, *tiled.parts))
    assert [gradient.dtype for gradient in found] == [dtype, scale_dtype, scale_dtype]
    check(found, expected, 0.05)


def test_a_scale_that_its_plane_does_not_cover_has_no_gradient(ops):
    codes = random_codes(**FORMS["ragged"])
    tiled = TiledCodes.from_codes(codes)
    with tf.GradientTape() as tape:
        tape.watch(tiled.scales)
        both = tf.reduce_sum(bcq_matmul(tf.ones([1, 100]), tiled)), bcq_gather(tiled, [0, 1])
    gradient = tape.gradient(both, tiled.scales).numpy()
    for i, plane in enumerate(codes.planes):
        np.testing.assert_array_equal(gradient[:, i, len(plane) :], 0)
        assert np.any(gradient[:, i, : len(plane)]) or len(plane) == 0


def test_scales_of_repeated_ids_add_up(ops):
    tiled = TiledCodes.from_codes(random_codes(offset=True))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tiled.parts)
        once, thrice = bcq_gather(tiled, [7]), bcq_gather(tiled, [7, 7, 7])
    for part in tiled.parts:
        expected = 3 * tape.gradient(once, part)
        np.testing.assert_allclose(tape.gradient(thrice, part), expected, rtol=1e-6)


def test_fast_products_have_exact_gradients(ops):
    tiled = TiledCodes.from_codes(random_codes())
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 100)), tf.float32)
    found = []
    for precision in ("exact", "fast"):
        with tf.GradientTape() as tape:
            tape.watch((x, tiled.scales))
            y = bcq_matmul(x, tiled, precision)
        found.append(tape.gradient(y, (x, tiled.scales)))
    for exact, fast in zip(*found, strict=True):
        np.testing.assert_array_equal(exact, fast)


def test_scales_are_trained_while_signs_stay(ops):
    codes, target = random_codes(0, rows=8), random_codes(0, rows=8)
    target = dataclasses.replace(target, scales=[scale * 1.5 for scale in target.scales])
    tiled = TiledCodes.from_codes(codes)
    scales = tf.Variable(tiled.scales)
    own = dataclasses.replace(tiled, scales=scales)
    x = tf.constant(np.random.default_rng(1).normal(size=(64, 100)) / 10, tf.float32)
    y = bcq_matmul(x, target)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(bcq_matmul(x, own) - y))
        scales.assign_sub(0.3 * tape.gradient(loss, scales))
        return loss

    losses = [float(step()) for _ in range(60)]
    assert losses[-1] < 0.01 * losses[0]
