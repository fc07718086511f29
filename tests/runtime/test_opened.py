"""`runtime.open`: products and rows of a file's weights, by the core and by NumPy."""

import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bcq_tf
from bcq_tf import native, runtime
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.runtime import core
from tests.ops.codes import FORMS, random_codes

ROOT = Path(__file__).parents[2]


def uniform(zero_rows: bool):
    table = np.random.default_rng(0).normal(size=(90, 33)).astype("float32")
    if zero_rows:
        table[[0, 64]] = 0
    return quantize_uniform(table, 3)


def compositional(entries: int, dtype: str):
    rng = np.random.default_rng(entries)
    codebooks = rng.normal(size=(4, entries, 70)).astype(dtype)
    return bcq_tf.CompositionalCodes.of(rng.integers(0, entries, (150, 4)), codebooks)


KINDS = {
    **{name: random_codes(seed, **form) for seed, (name, form) in enumerate(FORMS.items())},
    "uniform": uniform(False),
    "uniform_zeros": uniform(True),
    "compositional": compositional(16, "float32"),
    "compositional_half": compositional(300, "float16"),
}


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    """The core, and NumPy where there is none."""
    if request.param == "numpy":
        monkeypatch.setattr(core, "function", lambda name: None)
    elif native.core() is None:
        pytest.skip("there is no core here")
    return request.param


@pytest.fixture
def weight(request, way, tmp_path):
    """The weight of a file, under the codes' name."""
    path = tmp_path / "w.bcq.npy"
    bcq_tf.save(path, {"w": KINDS[request.param]})
    return runtime.open(path)["w"]


def near(actual, expected, dtype="float32") -> None:
    bound = {"float32": 1e-6, "float16": 2e-3}[dtype] * max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("weight", KINDS, indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_products_are_those_of_the_matrix(weight, dtype):
    matrix = weight.codes.reconstruct()
    for shape in ((), (0,), (1,), (2, 9)):
        x = np.random.default_rng(1).normal(size=(*shape, matrix.shape[1])).astype(dtype)
        y = weight.matmul(x)
        assert y.dtype == dtype
        assert y.shape == (*shape, matrix.shape[0])
        near(y, x.astype(np.float64) @ matrix.T.astype(np.float64), dtype)


@pytest.mark.parametrize("weight", KINDS, indirect=True)
def test_rows_have_the_bits_of_the_matrix(weight):
    matrix = weight.reconstruct()
    rng = np.random.default_rng(2)
    for dtype in ("int64", "int32", "uint8"):
        ids = rng.integers(0, len(matrix), (3, 4)).astype(dtype)
        np.testing.assert_array_equal(weight[ids], matrix[ids])
    np.testing.assert_array_equal(weight[len(matrix) - 1], matrix[-1])
    np.testing.assert_array_equal(weight[[0]], matrix[:1])
    assert weight[np.zeros((2, 0), int)].shape == (2, 0, matrix.shape[1])


@pytest.mark.parametrize("weight", ["plain"], indirect=True)
def test_arrays_that_lie_otherwise_in_memory(weight):
    matrix = weight.reconstruct()
    x = np.random.default_rng(3).normal(size=(matrix.shape[1], 6)).astype("float32")
    near(weight.matmul(x.T), x.T @ matrix.T)
    near(weight.matmul(x[:, ::2].T.astype(">f4").astype("float32")), x[:, ::2].T @ matrix.T)
    np.testing.assert_array_equal(weight[np.arange(10)[::-3]], matrix[:10][::-3])


@pytest.mark.parametrize("weight", ["plain"], indirect=True)
def test_fast_products_are_near(weight):
    x = np.random.default_rng(4).normal(size=(3, weight.shape[1])).astype("float32")
    expected = x @ weight.reconstruct().T
    error = np.abs(weight.matmul(x, precision="fast") - expected).max()
    assert error <= 2e-2 * np.abs(expected).max()


BAD = {
    "one_id_too_large": (lambda w: w[[0, w.shape[0]]], IndexError, "`ids` must be from 0 to"),
    "negative_id": (lambda w: w[-1], IndexError, "`ids` must be from 0 to .*Received: -1"),
    "huge_id": (lambda w: w[np.array([2**63], np.uint64)], IndexError, "Received: 9223372"),
    "float_ids": (lambda w: w[[0.5]], TypeError, "`ids` must be integers"),
    "boolean_ids": (lambda w: w[[True]], TypeError, "`ids` must be integers"),
    "a_name": (lambda w: w["w"], TypeError, "`ids` must be integers"),
    "double": (lambda w: w.matmul(np.zeros((1, w.shape[1]))), TypeError, "float32 or float16"),
    "columns": (lambda w: w.matmul(np.zeros((2, 3), "f")), ValueError, "`x` must be"),
    "scalar": (lambda w: w.matmul(np.float32(1)), ValueError, "`x` must be"),
    "precision": (
        lambda w: w.matmul(np.zeros((1, w.shape[1]), "f"), precision="best"),
        ValueError,
        "`precision` must be 'exact' or 'fast'",
    ),
}


@pytest.mark.parametrize("weight", ["plain", "uniform", "compositional"], indirect=True)
@pytest.mark.parametrize("bad", BAD)
def test_bad_arguments_are_named(weight, bad):
    call, error, message = BAD[bad]
    with pytest.raises(error, match=message) as raised:
        call(weight)
    assert "\n" not in str(raised.value)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.bcq.npy"
    tensors = {
        "0:layer/kernel": KINDS["plain"],
        "1:layer/bias": np.ones(3, "float32"),
        "2:same": KINDS["uniform"],
        "3:same": KINDS["uniform"],
    }
    bcq_tf.save(path, tensors, {"epoch": 7})
    return path


def test_an_opened_file_is_a_mapping(file):
    opened = runtime.open(file)
    assert list(opened) == ["0:layer/kernel", "1:layer/bias", "2:same", "3:same"]
    assert len(opened) == 4
    assert opened.metadata == {"epoch": 7}
    assert opened["layer/kernel"] is opened["0:layer/kernel"]
    np.testing.assert_array_equal(opened["layer/bias"], np.ones(3))
    assert isinstance(opened["3:same"], runtime.UniformWeight)
    assert "4 weights" in repr(opened)
    assert repr(opened["layer/kernel"]).startswith("BinaryWeight(BinaryCodes([70, 100], bits=3")


@pytest.mark.parametrize("name", ["same", "kernel", "", 7])
def test_a_name_that_is_none_is_refused(file, name):
    with pytest.raises(KeyError, match=r"`name` must be one of 4 weights: '0:layer/kernel', "):
        runtime.open(file)[name]


@pytest.mark.parametrize("threads", [0, 1025, -1, 1.5, "2", True])
def test_the_number_of_threads_is_checked(file, threads):
    with pytest.raises((TypeError, ValueError), match="`threads` must be"):
        runtime.open(file, threads=threads)


def test_the_same_bits_with_any_number_of_threads(tmp_path):
    codes = random_codes(0, rows=700, columns=900)
    bcq_tf.save(tmp_path / "w.bcq.npy", {"w": codes})
    x = np.random.default_rng(5).normal(size=(40, 900)).astype("float32")
    made = [runtime.open(tmp_path / "w.bcq.npy", threads=n)["w"].matmul(x) for n in (1, 2, 5, None)]
    for y in made[1:]:
        np.testing.assert_array_equal(y, made[0])


def _in_child(weight, x, queue):
    queue.put(weight.matmul(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_was_forked_off_computes_too(tmp_path):
    bcq_tf.save(tmp_path / "w.bcq.npy", {"w": random_codes(0, rows=700, columns=900)})
    weight = runtime.open(tmp_path / "w.bcq.npy", threads=3)["w"]
    x = np.ones((40, 900), "float32")
    expected = weight.matmul(x)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(weight, x, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join()


def test_neither_tensorflow_nor_keras_is_imported(file):
    code = f"""
import sys
from bcq_tf import runtime
weight = runtime.open({str(file)!r})["layer/kernel"]
weight.matmul(weight[[0, 1]])
print(sorted({{"tensorflow", "keras", "rich"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_damaged_file_is_refused(file, tmp_path):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    (tmp_path / "bad.bcq.npy").write_bytes(content)
    with pytest.raises(bcq_tf.FileFormatError, match=re.escape("fails its checksum")):
        runtime.open(tmp_path / "bad.bcq.npy")
