"""Products of layers: the same on both sides of the number of rows from which matrices are made."""

import numpy as np
import pytest
import tensorflow as tf

from bcq_tf import native
from bcq_tf.ops import Layout, TiledCodes, bcq_matmul, many_rows, portable_ops
from tests.ops.codes import FORMS, random_codes

LIMIT = 6


@pytest.fixture(autouse=True)
def limit(monkeypatch, request):
    if "most" not in request.node.name:
        monkeypatch.setattr(many_rows, "most_rows", lambda layout, precision: LIMIT)


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def close(found, expected, tolerance=1e-5):
    expected = np.asarray(tf.cast(expected, tf.float32))
    found = np.asarray(tf.cast(found, tf.float32))
    np.testing.assert_allclose(found, expected, atol=tolerance * abs(expected).max())


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("form", FORMS)
def test_the_product_is_that_with_the_matrix(form, precision):
    codes = random_codes(**FORMS[form])
    tiled = TiledCodes.from_codes(codes)
    for shape in ((2,), (LIMIT,), (LIMIT + 1,), (2, 3), (3, 4), ()):
        x = inputs(*shape, codes.shape[1])
        found = many_rows.product(tf.constant(x), tiled, precision)
        assert found.shape == (*shape, codes.shape[0])
        close(found, x @ codes.reconstruct().T, 1e-5 if precision == "exact" else 5e-2)


def test_few_rows_are_multiplied_by_the_codes_and_many_by_the_matrix():
    codes = random_codes()
    tiled, matrix = TiledCodes.from_codes(codes), codes.reconstruct()
    few, many = tf.constant(inputs(LIMIT, 100)), tf.constant(inputs(LIMIT + 1, 100))
    np.testing.assert_array_equal(
        many_rows.product(few, tiled, "fast"), bcq_matmul(few, tiled, "fast")
    )
    np.testing.assert_array_equal(
        many_rows.product(many, tiled, "fast"), tf.matmul(many, tf.constant(matrix.T.copy()))
    )


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("spec", [[None, 100], [None, None, 100], [2, None, 100]])
def test_sizes_that_are_unknown_while_tracing(spec, jit_compile):
    codes = random_codes(ragged=True)
    tiled = TiledCodes.from_codes(codes)
    function = tf.function(
        lambda x: many_rows.product(x, tiled, "exact"),
        input_signature=[tf.TensorSpec(spec, tf.float32)],
        jit_compile=jit_compile,
    )
    assert function.get_concrete_function().output_shapes.as_list() == [*spec[:-1], 70]
    for rows in (1, LIMIT // 2, LIMIT // 2 + 1, 40):
        x = inputs(*([2, rows] if len(spec) == 3 else [2 * rows]), 100)
        close(function(x), x @ codes.reconstruct().T)
    assert function(inputs(*([2, 0] if len(spec) == 3 else [0]), 100)).shape[-2] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_sums_in_float32(dtype):
    codes = random_codes()
    x = tf.cast(inputs(LIMIT + 1, 100), dtype)
    found = many_rows.product(x, TiledCodes.from_codes(codes), "exact")
    assert found.dtype == dtype
    expected = tf.cast(tf.cast(x, tf.float32) @ codes.reconstruct().T, dtype)
    close(found, expected, 1e-2 if dtype == "bfloat16" else 2e-3)


def test_gradients_are_those_of_the_codes():
    tiled = TiledCodes.from_codes(random_codes(offset=True, ragged=True))
    x = tf.constant(inputs(LIMIT + 1, 100))
    found = []
    for product in (many_rows.product, bcq_matmul):
        with tf.GradientTape() as tape:
            tape.watch((x, *tiled.parts))
            loss = tf.reduce_sum(tf.sin(product(x, tiled, "exact")))
        found.append(tape.gradient(loss, (x, *tiled.parts)))
    for one, other in zip(*found, strict=True):
        close(one, other, 1e-4)


@pytest.fixture
def processor(monkeypatch):
    """A function that has the core run with an instruction set."""

    def choose(isa):
        monkeypatch.setattr(native, "isa_of", lambda core: isa)
        clear()

    def clear():
        many_rows._times.cache_clear()
        many_rows._isa.cache_clear()

    yield choose
    clear()


def layout(bits, rows=1000, columns=1000):
    return Layout(rows, columns, columns, (rows,) * bits)


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("isa", ["avx2", "portable"])
def test_most_rows_falls_with_the_bits(processor, isa, precision):
    processor(isa)
    if many_rows.most_rows(layout(4), precision) is None:
        pytest.skip("the ops are not compiled")
    most = [many_rows.most_rows(layout(bits), precision) or np.inf for bits in range(1, 9)]
    assert most == sorted(most, reverse=True)
    assert most[0] > 8 * most[-1]


def test_most_rows_is_none_where_the_codes_are_never_slower(processor):
    processor("avx512")
    assert many_rows.most_rows(layout(4), "exact") is None
    processor("avx2")
    assert many_rows.most_rows(layout(4, 5000, 5000), "exact") is None  # its floats are too many
    with portable_ops():
        assert many_rows.most_rows(layout(4), "exact") is None


def test_large_matrices_always_gain_with_amx(processor):
    processor("amx")
    if not many_rows.binary.product.is_compiled:
        pytest.skip("the ops are not compiled")
    assert many_rows.always_gain(layout(4))
    assert not many_rows.always_gain(layout(4, 100, 100))
    with portable_ops():
        assert not many_rows.always_gain(layout(4))
    processor("avx512")
    assert not many_rows.always_gain(layout(4))
