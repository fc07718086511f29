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


@pytest.mark.parametrize("settings", [{}, {"group_size": 32}, {"offset": True}])
def test_each_row_has_its_own_levels(settings):
    weight, codes = layer_and_codes(**settings)
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
