"""Tiled codes: where each bit stands, and what they accept."""

import ctypes
import dataclasses
import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf

from bcq_tf import native
from bcq_tf.codes import BinaryCodes, MatrixView, packing
from bcq_tf.layers import BinaryWeight
from bcq_tf.ops import Layout, TiledCodes, bcq_matmul
from tests.ops.codes import FORMS, random_codes


def tiles_one_by_one(codes):
    """The words of the tiles, as `Layout` describes them, word by word."""
    rows, columns = codes.shape
    words = []
    for first in range(0, rows, 64):
        planes = [plane for plane in codes.planes if len(plane) > first]
        for w in range(packing.words_per_row(columns)):
            for plane in planes:
                for row in range(first, first + 64):
                    words.append(plane[row, w] if row < len(plane) else 0)
    return np.array(words, np.uint32)


@pytest.mark.parametrize("form", FORMS)
def test_words_stand_where_the_layout_says(form):
    codes = random_codes(**FORMS[form])
    tiled = TiledCodes.from_codes(codes)
    np.testing.assert_array_equal(tiled.tiles, tiles_one_by_one(codes))
    assert tiled.layout.words == len(tiled.tiles)


@pytest.mark.parametrize("form", FORMS)
def test_they_are_turned_back_into_the_codes(form):
    codes = random_codes(**FORMS[form])
    again = TiledCodes.from_codes(codes).to_codes()
    assert (again.shape, again.bits, again.groups) == (codes.shape, codes.bits, codes.groups)
    assert again.arrays().keys() == codes.arrays().keys()
    for name, array in codes.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


@pytest.mark.parametrize("form", FORMS)
def test_the_compiled_core_counts_the_same_words(form):
    core = native.core()
    if core is None:
        pytest.skip("the compiled core is not loaded")
    layout = Layout.of(random_codes(**FORMS[form]))
    core.bcq_tile_words.restype = ctypes.c_int64
    plane_rows = (ctypes.c_int64 * layout.bits)(*layout.plane_rows)
    sizes = ctypes.c_int64(layout.rows), ctypes.c_int64(layout.columns), layout.bits, plane_rows
    assert core.bcq_tile_words(*sizes) == layout.words


def test_scales_offset_and_rows_stand_as_the_docstring_says():
    codes = random_codes(ragged=True, rows=5, columns=70, group_size=32, offset=True, bits=2)
    tiled = TiledCodes.from_codes(codes)
    assert tiled.layout == Layout(5, 70, 32, tuple(len(plane) for plane in codes.planes))
    for g in range(3):
        for i, scale in enumerate(codes.scales):
            for r in range(5):
                expected = scale[r, g] if r < len(scale) else 0
                assert tiled.scales[g, i, r] == expected
        np.testing.assert_array_equal(tiled.offset[g], codes.offset[:, g])
    np.testing.assert_array_equal(tiled.row_order, codes.row_order)
    np.testing.assert_array_equal(codes.row_order[tiled.row_place.numpy()], np.arange(5))


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        ("float16", None, "float16"),
        ("float16", "float16", "float16"),
        ("float16", "float32", "float32"),
        ("float64", None, "float32"),
    ],
)
def test_scales_stay_float16_where_all_are(scale, offset, expected):
    codes = random_codes(dtype=scale, offset=offset is not None)
    if offset is not None:
        codes = dataclasses.replace(codes, offset=codes.offset.astype(offset))
    assert TiledCodes.from_codes(codes).scales.dtype == expected


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
def test_the_number_of_words_is_that_of_the_tiles(rows):
    for planes in ((rows,), (rows, rows, rows // 2), (rows, 1, 0)):
        layout = Layout(rows, 70, 32, planes)
        last = layout.tile_planes[-1] * layout.row_words * 64
        assert layout.words == layout.tile_starts[-1] + last


def test_sizes_out_of_a_config_take_no_memory():
    tracemalloc.start()
    try:
        layout = Layout(2**31 - 1, 64, 64, (2**31 - 1,) * 8)
        view = MatrixView((2**31 - 1, 64), (0,), (1,))
        assert (
            BinaryWeight(view, 64, (2**31 - 1,) * 8).nbytes == 4 * layout.words + 16 * layout.rows
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert layout.words == 2**31 // 64 * 64 * 2 * 8
    assert peak < 100_000


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": "x" * 10**6}, {"columns": [1] * 10**6}, {"group_size": "x" * 10**6},
        {"group_size": None}, {"plane_rows": ["3"] * 2}, {"plane_rows": [[3], [3]]},
        {"plane_rows": [3] * 10**6}, {"plane_rows": [3, True]}, {"plane_rows": [3.0]},
    ],
)  # fmt: skip
def test_fields_of_other_types_are_one_short_line(changes):
    with pytest.raises(ValueError) as caught:
        Layout(**{"rows": 3, "columns": 5, "group_size": 5, "plane_rows": [3], **changes})
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("group_size", [128, 2**40])
def test_a_group_may_be_longer_than_the_row(ops, group_size):
    tiled = TiledCodes.from_codes(random_codes())
    longer = dataclasses.replace(tiled.layout, group_size=group_size)
    x = tf.ones([2, 100])
    np.testing.assert_array_equal(
        bcq_matmul(x, dataclasses.replace(tiled, layout=longer)), bcq_matmul(x, tiled)
    )


def test_a_group_as_long_as_the_row_is_the_whole_row():
    assert Layout.of(random_codes(columns=40, group_size=64)).group_size == 40


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scales_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match=r"`scales\[0\]` must be finite"):
        BinaryCodes([[[np.uint32(1)]]], [np.float32([[value]])], columns=1)


def test_negative_scales_only_turn_signs_round(ops):
    codes = random_codes()
    negative = dataclasses.replace(codes, scales=[-scale for scale in codes.scales])
    x = np.random.default_rng(1).normal(size=(2, 100)).astype(np.float32)
    np.testing.assert_array_equal(bcq_matmul(x, negative), -bcq_matmul(x, codes))


@pytest.mark.parametrize("make", [tf.Variable, keras.Variable, np.asarray])
def test_each_part_may_be_a_variable(ops, make):
    tiled = TiledCodes.from_codes(random_codes(ragged=True, offset=True))
    names = ("tiles", "scales", "offset", "row_order", "row_place")
    kept = dataclasses.replace(tiled, **{name: make(getattr(tiled, name)) for name in names})
    x = tf.ones([2, 100])
    np.testing.assert_array_equal(bcq_matmul(x, kept), bcq_matmul(x, tiled))


def test_tiled_codes_are_an_argument_of_a_function_that_is_traced_once(ops):
    traces = []

    @tf.function
    def product(x, codes):
        traces.append(codes.layout)
        return bcq_matmul(x, codes)

    for seed in (0, 1):
        codes = random_codes(seed, offset=True)
        y = product(tf.ones([2, 100]), TiledCodes.from_codes(codes))
        np.testing.assert_allclose(y[0], codes.reconstruct().sum(1), atol=1e-4)
    assert len(traces) == 1


def test_codes_tiled_while_a_function_is_traced_outlive_it():
    codes, kept = random_codes(), []

    @tf.function
    def trace():
        kept.append(TiledCodes.from_codes(codes))

    trace()
    np.testing.assert_array_equal(kept[0].tiles.numpy(), tiles_one_by_one(codes))


WRONG = {
    "tiles": (tf.zeros([5], tf.uint32), ValueError, r"`tiles` must be \[\d+\]. Received: \(5,\)"),
    "scales": (tf.zeros([1, 2, 70]), ValueError, r"`scales` must be \[1, 3, 70\]. Received: "),
    "offset": (tf.zeros([70, 1]), ValueError, r"`offset` must be \[1, 70\]. Received: "),
    "row_order": (
        tf.zeros([70], tf.int32),
        TypeError,
        "`row_order` must be uint32. Received: int32",
    ),
    "row_place": (None, ValueError, "`row_order` and `row_place` must both be given"),
}


@pytest.mark.parametrize("part", WRONG)
def test_a_part_that_does_not_fit_is_an_error(ops, part):
    value, error, message = WRONG[part]
    tiled = TiledCodes.from_codes(random_codes(ragged=True, offset=True))
    with pytest.raises(error, match=message):
        bcq_matmul(tf.ones([1, 100]), dataclasses.replace(tiled, **{part: value}))


def test_scales_and_offset_have_one_dtype(ops):
    tiled = TiledCodes.from_codes(random_codes(offset=True))
    mixed = dataclasses.replace(tiled, scales=tf.cast(tiled.scales, tf.float16))
    with pytest.raises(TypeError, match="`offset` must be float16. Received: float32"):
        bcq_matmul(tf.ones([1, 100]), mixed)
    wide = dataclasses.replace(tiled, scales=tf.cast(tiled.scales, tf.float64))
    with pytest.raises(TypeError, match="`scales` must be float32 or float16. Received: float64"):
        bcq_matmul(tf.ones([1, 100]), wide)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"rows": 0}, "`rows` must be an integer from 1 to 2147483647. Received: rows=0"),
        ({"columns": 2.5}, "`columns` must be an integer from 1 to .* Received: columns=2.5"),
        ({"group_size": 48}, "`group_size` must be a multiple of 32 or `columns`. Received: 48"),
        ({"group_size": 0}, "`group_size` must be a multiple of 32 or `columns`. Received: 0"),
        ({"plane_rows": ()}, r"`plane_rows` must have 1 to 8 planes. Received: \(\)"),
        ({"plane_rows": (70,) * 9}, "`plane_rows` must have 1 to 8 planes"),
        ({"plane_rows": (69, 70)}, r"`plane_rows` must fall from `rows` to 0 .*\(69, 70\)"),
        ({"plane_rows": (70, -1)}, r"`plane_rows` must fall from `rows` to 0 .*\(70, -1\)"),
    ],
)
def test_a_layout_that_no_codes_have_is_refused(facts, message):
    good = {"rows": 70, "columns": 100, "group_size": 100, "plane_rows": (70, 3)}
    with pytest.raises(ValueError, match=message):
        Layout(**{**good, **facts})
