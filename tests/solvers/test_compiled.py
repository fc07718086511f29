"""The compiled solver against the NumPy solver."""

import ctypes
import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from bcq_tf import native
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.pool import threads
from bcq_tf.solvers import quantize, spans
from bcq_tf.solvers.binary import compiled
from tests.native.core import compiled_isas
from tests.solvers.reference import DISTRIBUTIONS, draw, squared_error

pytestmark = pytest.mark.usefixtures("code")
ISAS = compiled_isas()
COMPILED = pytest.mark.parametrize("code", ["compiled"], indirect=True)


def rows(columns: int, seed: int, each: int = 4) -> np.ndarray:
    return np.concatenate([draw(name, each, columns, seed) for name in DISTRIBUTIONS])


def with_numpy(function, *args, **kwargs):
    """The result of the NumPy code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "takes", lambda *_: False)
        return function(*args, **kwargs)


def assert_same(a, b) -> None:
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


@COMPILED
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("effort", ["full", "low", "warm"])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 8])
def test_errors_are_those_of_the_numpy_solver(bits, effort, offset):
    weighted = (bits + offset + len(effort)) % 2 == 0  # every pair of settings is there
    matrix = rows(50, seed=bits, each=2)
    h = np.random.default_rng(bits).exponential(size=matrix.shape) if weighted else None
    used = 1.0 if h is None else h / h.mean(axis=1, keepdims=True) + 0.1
    start = quantize(matrix + 0.02, bits, offset=offset, effort="low")
    arguments = {"bits": bits, "offset": offset, "importance": h, "start": start, "effort": effort}
    ours = squared_error(matrix, quantize(matrix, **arguments), used)
    theirs = squared_error(matrix, with_numpy(quantize, matrix, **arguments), used)
    energy = squared_error(matrix, quantize(np.zeros_like(matrix), 1), used)
    # Rounding sends a few searches elsewhere, the more params the more; on average over many rows
    # the errors are the same.
    search = bits + offset > 2 and effort != "warm"
    tolerance = (1e-1 if bits > 4 else 3e-2 if bits > 3 or offset else 1e-4) if search else 1e-6
    assert np.mean(ours / energy) <= np.mean(theirs / energy) * (1 + tolerance) + 1e-9
    if not search:
        np.testing.assert_allclose(ours, theirs, atol=1e-9 * energy.max(), rtol=1e-5)


@COMPILED
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("importance_dtype", [None, "float32", "float64"])
def test_the_result_does_not_depend_on_threads_and_slabs(dtype, importance_dtype, monkeypatch):
    matrix = draw("student_t3", 101, 70, seed=0).astype(dtype)
    h = None
    if importance_dtype:
        h = np.random.default_rng(0).random(matrix.shape).astype(importance_dtype)
    arguments = {"bits": 3, "group_size": 32, "importance": h}
    expected = quantize(matrix, **arguments)
    for count, slab in ((1, 1 << 22), (2, 1 << 22), (7, 1 << 22), (2, 1), (2, 5000)):
        monkeypatch.setattr(spans, "cores", lambda count=count: count)
        monkeypatch.setattr(compiled, "SLAB_WEIGHTS", slab)
        assert_same(quantize(matrix, **arguments), expected)


@COMPILED
@pytest.mark.parametrize("columns", [1, 7, 8, 9, 15, 16, 17, 64, 127, 128, 129, 1025])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_every_length(columns, weighted):
    # 129 and 1,025 need a level of the search tree more than 128 and 1,024.
    matrix = rows(columns, seed=columns)
    h = np.random.default_rng(1).random(matrix.shape) if weighted else None
    arguments = {"bits": 3, "importance": h, "scale_dtype": "float32"}
    used = 1.0 if h is None else h / h.mean(axis=1, keepdims=True) + 0.1
    ours = squared_error(matrix, quantize(matrix, **arguments), used)
    theirs = squared_error(matrix, with_numpy(quantize, matrix, **arguments), used)
    energy = squared_error(matrix, quantize(np.zeros_like(matrix), 1), used)
    assert np.all(ours <= theirs * (1 + 5e-3) + 1e-9 * energy)
    assert ours.sum() <= theirs.sum() * (1 + 1e-4) + 1e-9 * energy.sum()


@COMPILED
def test_float64_weights_that_are_one_float32_are_sorted_too():
    # Ten values of which neighbours differ by 1e-12; weights tell how each counts.
    rng = np.random.default_rng(0)
    matrix = 1 + 1e-12 * rng.integers(0, 10, (5, 200))
    matrix[:, ::2] *= -0.5
    h = rng.random(matrix.shape)
    arguments = {"bits": 3, "importance": h, "scale_dtype": "float32"}
    ours = squared_error(matrix, quantize(matrix, **arguments))
    assert np.all(ours < 1e-10)


@COMPILED
def test_long_rows_of_such_weights_take_no_longer():
    # All are one float32: in order only after 200,000 log 200,000 comparisons, not the square.
    matrix = 1 + 1e-12 * np.random.default_rng(0).standard_normal((1, 200_000))
    codes = quantize(matrix, 2, scale_dtype="float32")
    np.testing.assert_allclose(codes.reconstruct(), matrix, rtol=1e-6)


@COMPILED
def test_rounding_of_scales_is_that_of_numpy():
    # One weight a row: its scale is its magnitude.
    rng = np.random.default_rng(0)
    values = np.ldexp(rng.uniform(0.5, 1, (5000, 1)), rng.integers(-27, 16, (5000, 1)))
    halves = np.arange(0, 5000, dtype=np.float64)[:, None] * 2.0**-25  # subnormal, ties too
    ties = np.arange(0, 5000, dtype=np.float64)[:, None] * 2.0**-19  # of E5M4
    for dtype in ("float16", "float32", "e5m4"):
        for matrix in (values, halves, ties, values.astype(np.float16) * (1 + 2.0**-11)):
            found = quantize(matrix, 1, scale_dtype=dtype).scales[0]
            np.testing.assert_array_equal(found, SCALE_DTYPES[dtype].rounded(np.abs(matrix)))


@COMPILED
@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_errors(isa):
    if ISAS.index(isa) > ISAS.index(native.status().isa):
        pytest.skip(f"this processor lacks {isa}")
    code = "import tests.solvers.test_compiled as t; print(*t.mean_errors().ravel())"
    variables = {**os.environ, "BCQ_TF_ISA": isa, "BCQ_TF_NATIVE": "require"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.array(done.stdout.split(), float).reshape(len(SOLVED), -1)
    for (bits, offset), errors, expected in zip(SOLVED, found, mean_errors(), strict=True):
        # Rounding sends some long searches elsewhere.
        exact = not offset and bits < 4
        np.testing.assert_allclose(
            errors, expected, rtol=1e-5 if exact else 0.02 if bits < 5 else 0.2
        )


SOLVED = ((1, False), (1, True), (2, False), (3, False), (4, False), (3, True), (6, False))


@functools.cache
def mean_errors() -> np.ndarray:
    """Of solves of many kinds: [len(SOLVED), 3]."""
    matrix = rows(90, seed=0).astype(np.float32)
    h = np.random.default_rng(0).random(matrix.shape)
    errors = []
    for bits, offset in SOLVED:
        full = quantize(matrix, bits, offset=offset)
        weighted = quantize(matrix, bits, offset=offset, importance=h)
        warm = quantize(matrix * 1.01, bits, offset=offset, start=full, effort="warm")
        errors.append([squared_error(matrix, codes).mean() for codes in (full, weighted, warm)])
    return np.array(errors)


@COMPILED
def test_the_core_refuses_what_it_cannot_take():
    core = native.core()
    values, params, planes = np.ones((2, 40), np.float32), np.ones((3, 2, 1)), np.ones((3, 2, 2))
    pointers = (ctypes.c_void_p * 3)(*[plane.ctypes.data for plane in planes])
    search = compiled._search(3, False, "full")

    def status(search=search, start=None, params=params.ctypes.data, **changes):
        fields = {"rows": 2, "columns": 40, "group_size": 40, "bits": 3, "scale_type": 1}
        problem = compiled._Problem(**{"values": values.ctypes.data, **fields, **changes})
        return core.bcq_solve(
            ctypes.byref(problem),
            search and ctypes.byref(search),
            start,
            ctypes.c_void_p(params),
            pointers,
            threads(),
        )

    assert status() == 0
    for name, wrong in {
        "rows": (0, -1, 1 << 62),
        "columns": (0, -1),
        "group_size": (0, 20, -32, 1 << 40),
        "bits": (0, 9),
        "offset": (2, -1),
        "scale_type": (2, 4, -1),
        "values": (None,),
    }.items():
        for value in wrong:
            assert status(**{name: value}) == 1, (name, value)
    assert status(params=None) == 1
    assert status(search=None) == 1
    assert status(search=compiled._Search(1, 1, 7, 1)) == 1
