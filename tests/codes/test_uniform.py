"""UniformCodes against its formula, and the parts that it refuses."""

import dataclasses

import numpy as np
import pytest

from bcq_tf.codes import UniformCodes, packing


def make_codes(rows=9, columns=13, bits=3, limit=0.7, zero_rows=(), seed=0):
    """Random codes, with their fields."""
    fields = np.random.default_rng(seed).integers(0, 1 << bits, (rows, columns))
    marks = np.zeros((1, rows), bool)
    marks[0, list(zero_rows)] = True
    marked = packing.pack_fields(marks, 1)[0] if zero_rows else None
    return UniformCodes(packing.pack_fields(fields, bits), limit, bits, columns, marked), fields


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("zero_rows", [(), (0,), (3, 8)])
def test_reconstruct_is_the_formula(bits, zero_rows):
    codes, fields = make_codes(bits=bits, zero_rows=zero_rows)
    last = 2**bits - 1
    expected = 0.7 * (2 * fields - last) / last
    expected[list(zero_rows)] = 0
    found = codes.reconstruct()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(codes.rows([8, 0, 3, 3]), found[[8, 0, 3, 3]])


@pytest.mark.parametrize("bits", range(1, 9))
def test_levels_are_as_far_below_zero_as_above(bits):
    levels = make_codes(bits=bits)[0].levels
    assert levels.shape == (2**bits,)
    np.testing.assert_array_equal(levels, -levels[::-1])
    np.testing.assert_allclose(np.diff(levels), 1.4 / (2**bits - 1), rtol=1e-5)


@pytest.mark.parametrize("bits", range(1, 9))
def test_bytes_are_those_of_the_fields(bits):
    codes, _ = make_codes(rows=20, columns=50, bits=bits, zero_rows=(2,))
    assert codes.nbytes == 20 * -(-50 * bits // 8) + 3 + 4
    assert codes.bits_per_weight == 8 * codes.nbytes / 1000
    assert codes.shape == (20, 50)
    assert f"bits={bits}" in repr(codes)


def test_blocks_are_the_matrix(monkeypatch):
    monkeypatch.setattr("bcq_tf.codes.coded_matrix.BLOCK_WEIGHTS", 30)
    codes, _ = make_codes(zero_rows=(4,))
    blocks = list(codes.blocks())
    assert len(blocks) == 5
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), codes.reconstruct())


def test_codes_cannot_be_changed():
    codes, _ = make_codes()
    with pytest.raises(ValueError, match="read-only"):
        codes.packed[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        codes.limit = 1


GOOD = make_codes(zero_rows=(1,))[0]


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"bits": 0}, ValueError, "`bits` must be an integer from 1 to 8. Received: bits=0"),
    ({"bits": 9}, ValueError, "Received: bits=9"),
    ({"columns": 0}, ValueError, "`columns` must be a positive integer. Received: columns=0"),
    ({"columns": 2.5}, ValueError, "Received: columns=2.5"),
    ({"columns": 14}, ValueError, r"`packed` must be \[9, 6\]. Received: \[9, 5\]"),
    ({"limit": -1.0}, ValueError, "`limit` must be .* Received: limit=-1.0"),
    ({"limit": np.nan}, ValueError, "limit=nan"),
    ({"limit": 1e39}, ValueError, "limit=1e[+]39"),
    ({"packed": np.zeros((9, 5), np.int8)}, TypeError, "`packed` must be uint8. Received: int8"),
    ({"packed": np.zeros((0, 5), np.uint8)}, ValueError, "at least one row"),
    ({"packed": np.zeros(45, np.uint8)}, ValueError, "`packed` must be"),
    ({"packed": np.full((9, 5), 255, np.uint8)}, ValueError, "padding bits of 0"),
    ({"zero_rows": np.zeros(1, np.uint8)}, ValueError, r"`zero_rows` must be \[2\]"),
    ({"zero_rows": np.full(2, 255, np.uint8)}, ValueError, "`zero_rows` must have padding bits"),
])  # fmt: skip
def test_parts_that_do_not_fit(changes, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(GOOD, **changes)
