"""The ops that exported files are made of, against the matrix that the codes stand for."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf.export.unpacking import Unpacking
from bcq_tf.ops import TiledCodes, bcq_gather, bcq_matmul
from tests.ops.codes import FORMS, random_codes


def unpacking(codes: TiledCodes) -> Unpacking:
    """The ops for these codes alone."""
    parts = {
        part: tf.cast(array, tf.float32) if array.dtype == np.float16 else tf.constant(array)
        for part, array in Unpacking.parts_of(codes).items()
    }
    return Unpacking({codes.tiles.ref(): parts})


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_those_of_the_float_matrix(form):
    codes = random_codes(1, **FORMS[form])
    ids = np.random.default_rng(2).integers(0, codes.shape[0], (2, 3))
    tiled = TiledCodes.from_codes(codes)
    with unpacking(tiled).used():
        rows = bcq_gather(tiled, ids)
    np.testing.assert_allclose(rows, codes.reconstruct()[ids], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (4,), (2, 0, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_products_are_those_of_the_float_matrix(form, batch):
    codes = random_codes(1, **FORMS[form])
    x = np.random.default_rng(2).normal(size=(*batch, codes.shape[1])).astype("float32")
    tiled = TiledCodes.from_codes(codes)
    with unpacking(tiled).used():
        y = bcq_matmul(x, tiled)
    expected = x.astype(float) @ codes.reconstruct().T
    assert y.shape == expected.shape
    scale = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * scale)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_comes_out_as_it_goes_in(dtype):
    codes = random_codes(1)
    tiled = TiledCodes.from_codes(codes)
    x = tf.cast(np.random.default_rng(2).normal(size=(3, 100)), dtype)
    with unpacking(tiled).used():
        y, rows = bcq_matmul(x, tiled), bcq_gather(tiled, [1, 2], dtype)
    assert y.dtype.name == rows.dtype.name == dtype
    expected = tf.cast(tf.cast(x, tf.float32) @ codes.reconstruct().T, dtype)
    np.testing.assert_allclose(tf.cast(y, tf.float32), tf.cast(expected, tf.float32), atol=0.13)


def test_parts_are_as_small_as_the_codes():
    codes = random_codes(1, rows=300, columns=96, bits=4, ragged=True, dtype="float16", offset=True)
    parts = Unpacking.parts_of(TiledCodes.from_codes(codes))
    assert sum(part.nbytes for part in parts.values()) <= codes.nbytes


def test_codes_that_are_not_known_are_an_error():
    known, other = (TiledCodes.from_codes(random_codes(seed)) for seed in (1, 2))
    with (
        unpacking(known).used(),
        pytest.raises(ValueError, match=r"`model` must keep all .* Received: codes of \[70, 100\]"),
    ):
        bcq_gather(other, [0])
