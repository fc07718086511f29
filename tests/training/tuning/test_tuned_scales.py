"""Scales as they are trained: their value is that of codes as they are stored."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.training.tuning.tuned_scales import TunedScales

FORMS = [
    {"bits": 1},
    {"bits": 3, "scale_dtype": "e5m4"},
    {"bits": 2, "group_size": 32, "offset": True},
    {"bits": 2, "group_size": 32, "scale_dtype": "e5m4"},
    {"bits": 3, "scale_dtype": "float32", "offset": True},
    {"row_bits": "1321123312", "group_size": 64},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=str)


def tuned(form, seed=0):
    """(a layer with a kernel [70, 10], the codes of its kernel, `TunedScales`)."""
    layer = keras.layers.Dense(10)
    layer.build((None, 70))
    value = np.random.default_rng(seed).normal(size=(70, 10)).astype("float32")
    layer.kernel.assign(value)
    config = bcq_tf.BCQConfig(**form)
    (weight,) = bcq_tf.select(layer, config).chosen
    codes = bcq_tf.quantize(value.T, config=config)
    return layer, codes, TunedScales(weight, codes)


def change(scales, seed=1):
    rng = np.random.default_rng(seed)
    for variable in scales.changes:
        variable.assign(rng.uniform(-0.1, 0.1, variable.shape))


@each_form
def test_without_changes_they_are_the_codes(form):
    layer, codes, scales = tuned(form)
    scales.put()
    np.testing.assert_array_equal(layer.kernel, codes.reconstruct().T)
    same = scales.codes()
    np.testing.assert_array_equal(same.reconstruct(), codes.reconstruct())
    assert [scale.dtype for scale in same.scales] == [scale.dtype for scale in codes.scales]
    assert same.nbytes == codes.nbytes


@each_form
def test_the_value_is_that_of_the_codes_made(form):
    layer, codes, scales = tuned(form)
    change(scales)
    scales.put()
    made = scales.codes()
    np.testing.assert_array_equal(layer.kernel, made.reconstruct().T)
    for before, after in zip(codes.planes, made.planes, strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(codes.scales, made.scales, strict=True):
        ratio = after.astype(np.float64) / before
        assert np.abs(ratio - 1).max() < 0.14
        assert np.abs(ratio - 1).mean() > 0.03


@each_form
def test_scales_have_the_digits_that_they_had(form):
    _, _, scales = tuned(form)
    change(scales)
    name = form.get("scale_dtype", "float16")
    for scale in scales.codes().scales:
        wanted = SCALE_DTYPES[name].rounded(scale.astype(np.float64))
        np.testing.assert_array_equal(scale, wanted)


@pytest.mark.parametrize("name", ["e5m4", "float16"])
def test_rounding_is_to_the_nearest(name):
    _, codes, scales = tuned({"bits": 2, "scale_dtype": name})
    change(scales)
    exact = np.asarray(codes.scales[0].T, np.float64) * (1 + scales.changes[0].numpy()[0, 0])
    wanted = SCALE_DTYPES[name].rounded(exact.astype(np.float32))
    np.testing.assert_array_equal(scales.codes().scales[0][:, 0], wanted[0])


@each_form
def test_gradients_are_those_of_a_linear_loss(form):
    """Of the sum of g W, in units of the scales and of each group's largest."""
    _, codes, scales = tuned(form)
    g = np.random.default_rng(2).normal(size=(70, 10)).astype("float32")
    found = [np.asarray(each, np.float64) for each in scales.gradients(g)]
    value = codes.reconstruct().astype(np.float64)
    # Scales times their units: a change of all by 1 doubles W without its offset.
    offset = np.zeros_like(value)
    if codes.offset is not None:
        per_group = codes.offset.astype(np.float64)
        size = codes.group_size or codes.columns
        offset = np.repeat(per_group, size, axis=1)[:, : codes.columns]
    np.testing.assert_allclose(found[0].sum(), (g.T * (value - offset)).sum(), rtol=1e-4)
    assert len(found) == (1 if codes.offset is None else 2)
    assert [each.shape for each in found] == [tuple(v.shape) for v in scales.changes]
    if codes.offset is not None:
        largest = codes.scales[0].astype(np.float64)
        size = codes.group_size or codes.columns
        sums = np.add.reduceat(g.T.astype(np.float64), np.arange(0, codes.columns, size), axis=1)
        np.testing.assert_allclose(found[1], (sums * largest).T, rtol=1e-3, atol=1e-4)


def test_a_scale_of_zero_stays_zero():
    layer, codes, scales = tuned({"bits": 2})
    scales = TunedScales(scales.weight, codes.without_row(3))
    change(scales)
    scales.put()
    assert not np.any(layer.kernel.numpy()[:, 3])


def test_no_scale_becomes_negative():
    _, _, scales = tuned({"bits": 2})
    scales.changes[0].assign(np.full(scales.changes[0].shape, -1.5))
    assert all((scale == 0).all() for scale in scales.codes().scales)
