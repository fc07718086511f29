"""BinaryCodes against its formula, and the parts that it refuses."""

import dataclasses

import numpy as np
import pytest

from bcq_tf import BinaryCodes
from bcq_tf.codes import packing


def make_codes(rows=5, columns=70, bits=3, group_size=None, offset=False, ragged=False, seed=0):
    """Random codes, with what they are made of: signs by plane, as -1 and +1."""
    rng = np.random.default_rng(seed)
    counts = [max(1, rows - i) if ragged else rows for i in range(bits)]
    groups = 1 if group_size is None else -(-columns // group_size)
    signs = [rng.choice([-1, 1], (count, columns)) for count in counts]
    codes = BinaryCodes(
        planes=tuple(packing.pack(s > 0) for s in signs),
        scales=tuple(rng.random((count, groups)).astype(np.float16) for count in counts),
        columns=columns,
        group_size=group_size,
        offset=rng.normal(size=(rows, groups)).astype(np.float16) if offset else None,
        row_order=rng.permutation(rows) if ragged else None,
    )
    return codes, signs


def reconstruct_slowly(codes, signs):
    """The formula of the docstring, one weight at a time."""
    rows, columns = codes.shape
    result = np.zeros((rows, columns))
    for stored, column in np.ndindex(rows, columns):
        group = 0 if codes.group_size is None else column // codes.group_size
        value = 0.0 if codes.offset is None else float(codes.offset[stored, group])
        for scale, sign in zip(codes.scales, signs, strict=True):
            if stored < len(sign):
                value += float(scale[stored, group]) * sign[stored, column]
        row = stored if codes.row_order is None else codes.row_order[stored]
        result[row, column] = value
    return result


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("group_size", [None, 32, 64, 128])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_reconstruct_is_the_formula(bits, group_size, offset, ragged):
    codes, signs = make_codes(
        bits=bits, group_size=group_size, offset=offset, ragged=ragged, seed=bits
    )
    found = codes.reconstruct()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reconstruct_slowly(codes, signs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 33), (7, 32), (3, 31)])
def test_any_shape(rows, columns):
    codes, signs = make_codes(rows, columns)
    assert codes.shape == (rows, columns)
    np.testing.assert_allclose(codes.reconstruct(), reconstruct_slowly(codes, signs), rtol=1e-5)


def test_sizes():
    codes, _ = make_codes(rows=10, columns=64, bits=3, group_size=32, offset=True)
    assert codes.bits == 3
    assert codes.groups == 2
    assert codes.nbytes == 3 * (10 * 8 + 10 * 2 * 2) + 10 * 2 * 2
    assert codes.bits_per_weight == 8 * codes.nbytes / 640
    assert repr(codes) == (
        "BinaryCodes([10, 64], bits=3, group_size=32, 400 bytes, 5.00 bits per weight)"
    )


def test_codes_cannot_be_changed():
    codes, _ = make_codes()
    with pytest.raises(dataclasses.FrozenInstanceError):
        codes.columns = 3
    for array in codes.arrays().values():
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_the_callers_arrays_stay_writable():
    plane, scale = np.zeros((2, 1), np.uint32), np.ones((2, 1), np.float16)
    BinaryCodes((plane,), (scale,), columns=32)
    plane[0, 0], scale[0, 0] = 1, 2


PLANE = np.zeros((2, 2), np.uint32)
SCALE = np.ones((2, 1), np.float16)
GOOD = {"planes": (PLANE,), "scales": (SCALE,), "columns": 40}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planes": ()}, "`scales` must have one array for each of 0 planes"),
        ({"scales": ()}, "`scales` must have one array for each of 1 planes. Received: 0"),
        ({"planes": (PLANE,) * 9, "scales": (SCALE,) * 9}, "`bits` must be an integer from 1 to 8"),
        ({"columns": 0}, "`columns` must be a positive integer. Received: columns=0"),
        ({"columns": 4.0}, "`columns` must be a positive integer. Received: columns=4.0"),
        ({"columns": 80}, r"`planes` must be \[n, 3\] .* Received: \[2, 2\]"),
        ({"group_size": 20}, "`group_size` must be None or a positive multiple of 32"),
        ({"group_size": 32}, r"`scales\[0\]` must be \[2, 2\]. Received: \[2, 1\]"),
        ({"planes": (PLANE.astype(np.int32),)}, r"`planes\[0\]` must be uint32. Received: int32"),
        ({"planes": (np.full((2, 2), 256, np.uint32),)}, "`planes` must have padding bits of 0"),
        ({"planes": (PLANE[:0],), "scales": (SCALE[:0],)}, "`planes` must have at least one row"),
        ({"scales": (SCALE.astype(int),)}, r"`scales\[0\]` must be of floating dtype"),
        ({"scales": (SCALE * np.nan,)}, r"`scales\[0\]` must be finite. Received: NaN or Inf"),
        ({"offset": np.ones((1, 1))}, r"`offset` must be \[2, 1\]. Received: \[1, 1\]"),
        ({"row_order": np.array([0, 0])}, "`row_order` must be a permutation of 2 rows"),
        ({"row_order": np.array([0.0, 1.0])}, "`row_order` must be of integer dtype"),
        (
            {"planes": (PLANE, np.zeros((3, 2), np.uint32)), "scales": (SCALE, np.ones((3, 1)))},
            "`planes` must be .* with n falling from 2",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        BinaryCodes(**GOOD | changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("ids", [[], [4], [0, 4, 4, 2, 0, 1, 3]])
def test_rows_are_those_of_the_matrix(ids, ragged):
    codes, _ = make_codes(group_size=32, offset=True, ragged=ragged)
    found = codes.rows(np.array(ids, int))
    assert found.shape == (len(ids), 70)
    np.testing.assert_array_equal(found, codes.reconstruct()[ids])


@pytest.mark.parametrize(("ids", "error", "message"), [
    ([5], IndexError, "`ids` must be from 0 to 4. Received: 5"),
    ([0, -1], IndexError, "`ids` must be from 0 to 4. Received: -1"),
    ([0.5], TypeError, "`ids` must be integers"),
    (3, TypeError, "`ids` must be integers"),
])  # fmt: skip
def test_rows_that_are_none(ids, error, message):
    with pytest.raises(error, match=message):
        make_codes()[0].rows(ids)
