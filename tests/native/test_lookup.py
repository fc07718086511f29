"""Look-ups of the compiled core in packed integers: bit for bit the reconstructed matrix."""

import ctypes
import functools

import numpy as np
import pytest

from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings import quantize_uniform
from tests.native.core import BAD_ARGUMENT, BAD_ID, OK, parallel, pointer

THREADS = (1, 2, 7)


class Uniform(ctypes.Structure):
    """bcq_uniform of native/core/lookup/lookup.h."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("bits", ctypes.c_int32),
        ("half_step", ctypes.c_float),
        ("packed", ctypes.c_void_p),
        ("zero_rows", ctypes.c_void_p),
    )


class Compositional(ctypes.Structure):
    """bcq_compositional of native/core/lookup/lookup.h."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("entries", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("bits", ctypes.c_int32),
        ("type", ctypes.c_int32),
        ("packed", ctypes.c_void_p),
        ("codebooks", ctypes.c_void_p),
    )


class Ids(ctypes.Structure):
    """bcq_ids of native/core/embedding/embedding.h."""

    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_int32))


def call(function, table, ids, arrays, threads, expected=OK):
    """Calls `function`; returns the index of the bad id, -1 where there is none."""
    bad = ctypes.c_int64(-1)
    where = Ids(pointer(ids), ids.itemsize)
    pointers = [pointer(array) for array in arrays]
    count = ctypes.c_int64(ids.size)
    function.restype = ctypes.c_int
    status = function(
        ctypes.byref(table), where, count, *pointers, ctypes.byref(bad), parallel(threads)
    )
    assert status == expected
    return bad.value


def uniform(codes):
    marks = None if codes.zero_rows is None else pointer(codes.zero_rows)
    return Uniform(*codes.shape, codes.bits, codes.half_step, pointer(codes.packed), marks)


def compositional(codes):
    form = codes.codebooks.shape
    kind = int(codes.codebooks.dtype == np.float16)
    parts = pointer(codes.packed), pointer(codes.codebooks)
    return Compositional(len(codes.packed), *form, codes.bits, kind, *parts)


def random_ids(rows, count, dtype=np.int64):
    return np.random.default_rng(count).integers(0, rows, count).astype(dtype)


@functools.cache
def levels(bits, columns):
    """Codes of random rows, some of them of zeros."""
    matrix = np.random.default_rng(bits).normal(size=(90, columns)).astype(np.float32)
    matrix[::7] = 0
    return quantize_uniform(matrix, bits)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("columns", [1, 7, 32, 50, 300])
@pytest.mark.parametrize("bits", range(1, 9))
def test_rows_of_levels(library, bits, columns, dtype):
    codes, ids = levels(bits, columns), random_ids(90, 500, dtype)
    expected = codes.reconstruct()[ids].view(np.uint32)
    for threads in THREADS:
        rows = np.full((500, columns), np.nan, np.float32)
        call(library.bcq_uniform_rows, uniform(codes), ids, [rows], threads)
        np.testing.assert_array_equal(rows.view(np.uint32), expected)


FORMS = [(1, 1, 1), (3, 5, 7), (16, 16, 50), (2, 256, 64), (5, 300, 33), (2, 40000, 3)]


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=["float32", "float16"])
@pytest.mark.parametrize("form", FORMS, ids=["x".join(map(str, form)) for form in FORMS])
def test_sums_of_vectors_and_their_gradient(library, form, dtype):
    rng = np.random.default_rng(form[1])
    indexes = rng.integers(0, form[1], (90, form[0]))
    codes = CompositionalCodes.of(indexes, rng.normal(size=form).astype(dtype))
    ids, dout = random_ids(90, 500), rng.normal(size=(500, form[2])).astype(np.float32)
    expected = np.zeros(form, np.float32)
    for i, row in enumerate(ids):
        expected[np.arange(form[0]), indexes[row]] += dout[i]
    for threads in THREADS:
        rows, sums = np.full_like(dout, np.nan), np.full(form, np.nan, np.float32)
        call(library.bcq_compositional_rows, compositional(codes), ids, [rows], threads)
        np.testing.assert_array_equal(rows.view("u4"), codes.reconstruct()[ids].view("u4"))
        arrays = [dout, sums]
        call(library.bcq_compositional_gradient, compositional(codes), ids, arrays, threads)
        np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("wrong", [-1, 90, 2**62])
def test_the_first_bad_id_is_told(library, wrong, threads):
    codes = quantize_uniform(np.ones((90, 5), np.float32), 3)
    vectors = CompositionalCodes.of(np.zeros((90, 2), int), np.ones((2, 3, 5), np.float32))
    ids = random_ids(90, 400)
    ids[[123, 399]] = wrong
    rows, sums = np.zeros((400, 5), np.float32), np.zeros((2, 3, 5), np.float32)
    table = compositional(vectors)
    found = [
        call(library.bcq_uniform_rows, uniform(codes), ids, [rows], threads, BAD_ID),
        call(library.bcq_compositional_rows, table, ids, [rows], threads, BAD_ID),
        call(library.bcq_compositional_gradient, table, ids, [rows, sums], threads, BAD_ID),
    ]
    assert found == [123] * 3


def test_an_index_beyond_the_codebook_is_refused(library):
    vectors = CompositionalCodes.of([[3, 7]], np.ones((2, 8, 5), np.float32))
    table = compositional(vectors)
    table.entries = 7
    ids, rows = np.zeros(1, np.int64), np.zeros((1, 5), np.float32)
    call(library.bcq_compositional_rows, table, ids, [rows], 1, BAD_ARGUMENT)
