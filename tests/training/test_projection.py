"""The nearest values that codes' scales allow, where rows have different numbers of bits."""

import itertools

import keras
import numpy as np
import pytest

from bcq_tf import BCQConfig, quantize, select
from bcq_tf.training.latent.projection import levels, nearest, offset, within_range

ROW_BITS = "3121"


def layer_and_codes(**settings):
    layer = keras.layers.Dense(len(ROW_BITS), use_bias=False)
    layer.build((None, 64))
    config = BCQConfig(row_bits=ROW_BITS, **settings)
    (weight,) = select(layer, config).chosen
    matrix = np.random.default_rng(0).normal(size=(len(ROW_BITS), 64)) + 0.3
    return weight, quantize(matrix, config=config)


def levels_slowly(codes, row, column):
    """All sums of the row's scales, of any signs."""
    group = 0 if codes.group_size is None else column // codes.group_size
    stored = int(np.flatnonzero(codes.row_order == row)[0])
    scales = [s[stored, group] for s in codes.scales if stored < len(s)]
    centre = 0.0 if codes.offset is None else codes.offset[stored, group]
    signs = itertools.product((-1, 1), repeat=len(scales))
    return [float(centre + np.dot(np.float32(scales), each)) for each in signs]


@pytest.mark.parametrize("solver", ["alternating", "uniform"])
@pytest.mark.parametrize("settings", [{}, {"group_size": 32}, {"offset": True}])
def test_each_row_has_its_own_levels(settings, solver):
    weight, codes = layer_and_codes(**settings, solver=solver)
    value = np.random.default_rng(1).normal(size=(64, len(ROW_BITS))).astype("float32")
    found = np.asarray(nearest(weight, keras.ops.array(value), levels(codes), offset(codes)))
    for column, row in np.ndindex(value.shape):
        own = np.array(levels_slowly(codes, row, column))
        expected = own[np.abs(own - value[column, row]).argmin()]
        assert abs(found[column, row] - expected) < 1e-5


def test_a_row_is_limited_where_its_own_levels_end():
    weight, codes = layer_and_codes()
    value = np.full((64, len(ROW_BITS)), 0.1, "float32")
    value[0] = 20
    found = np.asarray(within_range(weight, keras.ops.array(value), levels(codes), offset(codes)))
    for row, bits in enumerate(map(int, ROW_BITS)):
        top = max(levels_slowly(codes, row, 0))
        assert found[0, row] == pytest.approx(top * 2**bits / (2**bits - 1), rel=1e-5)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("group_size", [None, 32])
def test_evenly_spaced_levels_are_those_of_their_codes(bits, group_size):
    layer = keras.layers.Dense(6, use_bias=False)
    layer.build((None, 64))
    config = BCQConfig(bits, group_size, solver="uniform")
    (weight,) = select(layer, config).chosen
    matrix = np.random.default_rng(bits).standard_t(3, (6, 64)).astype("float32")
    matrix[0], matrix[1, 0], matrix[2, 5] = 0, np.inf, np.nan
    codes = quantize(np.nan_to_num(matrix, posinf=0), config=config)
    found = np.asarray(nearest(weight, keras.ops.array(matrix.T), levels(codes), offset(codes))).T
    signs = np.array(list(itertools.product((-1, 1), repeat=bits)), "float32")
    scales = np.stack([s.astype("float32") for s in codes.scales])  # [bits, R, G]
    all_levels = np.repeat(np.tensordot(signs, scales, 1), group_size or 64, axis=-1)
    expected = np.take_along_axis(all_levels, np.abs(all_levels - matrix).argmin(0)[None], 0)[0]
    is_finite = np.isfinite(matrix)
    np.testing.assert_array_equal(found[~is_finite], matrix[~is_finite])
    np.testing.assert_array_equal(np.abs(found[0]), 0)
    np.testing.assert_array_equal(found[is_finite], expected[is_finite])
