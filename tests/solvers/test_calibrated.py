"""Codes solved for the second moments of a product's inputs."""

import itertools

import numpy as np
import pytest

import bcq_tf
from bcq_tf import native
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.solvers import relative_error
from bcq_tf.solvers.calibrated import blocks, compiled, solve
from bcq_tf.solvers.calibrated.form import DAMPING, QuadraticForm, corrected
from bcq_tf.solvers.calibrated.levels import ascending, canonical, signs_of, values_of
from bcq_tf.solvers.calibrated.refit import Refit
from bcq_tf.solvers.calibrated.rounding import Rounding

SHORT = SCALE_DTYPES["e5m4"]
needs_core = pytest.mark.skipif(native.core() is None, reason="the core is not compiled")
ENGINES = ["numpy", pytest.param("compiled", marks=needs_core)]


def inputs(columns, rank=None, rows=2000, seed=0):
    """Inputs of which columns hang together, some larger than others."""
    rng = np.random.default_rng(seed)
    rank = rank or max(1, columns // 4)
    x = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns)) / rank**0.5
    return (x + 0.3 * rng.normal(size=x.shape)) * np.exp(0.5 * rng.normal(size=columns))


def moments_of(x):
    return x.T @ x / len(x)


def weights(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype("float32")


def costs(matrix, codes, moments):
    """What the solver makes small, for each row: with the damped moments."""
    h = moments / np.trace(moments) * len(moments) + DAMPING * np.eye(len(moments))
    errors = matrix - codes.reconstruct().astype("float64")
    return np.einsum("rc,cd,rd->r", errors, h, errors)


@pytest.mark.parametrize("effort", ["full", "low"])
@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("group_size", [None, 32, 64])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_products_are_nearer_than_those_of_plain_codes(bits, group_size, offset, effort):
    matrix, x = weights(24, 100), inputs(100)
    settings = {"bits": bits, "group_size": group_size, "offset": offset}
    plain = bcq_tf.quantize(matrix, **settings)
    codes = bcq_tf.quantize(matrix, **settings, moments=moments_of(x), effort=effort)
    assert (codes.nbytes, codes.group_size) == (plain.nbytes, group_size)
    before, after = (np.sum((x @ (matrix - c.reconstruct()).T) ** 2) for c in (plain, codes))
    assert after < 0.4 * before
    for larger, smaller in itertools.pairwise(codes.scales):
        assert np.all(larger >= smaller)
    assert codes.scales[-1].min() >= 0


@pytest.mark.parametrize("bits", [1, 2])
def test_tiny_rows_come_near_the_best_of_all_codes(bits):
    matrix, moments = weights(40, 6), moments_of(inputs(6, rank=3))
    h = moments / np.trace(moments) * 6 + DAMPING * np.eye(6)
    best = np.full(len(matrix), np.inf)
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=6)))
    for planes in itertools.combinations_with_replacement(signs, bits):
        b = np.stack(planes)
        normal = b @ h @ b.T + 1e-9 * np.eye(bits)
        left = matrix - np.linalg.solve(normal, b @ h @ matrix.T).T @ b
        best = np.minimum(best, np.einsum("rc,cd,rd->r", left, h, left))
    found = costs(matrix, bcq_tf.quantize(matrix, bits, moments=moments), moments)
    assert np.all(found > best * (1 - 1e-3) - 1e-6)
    assert found.sum() < 1.15 * best.sum()


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_no_row_is_worse_than_with_plain_codes(bits):
    for seed in range(5):
        matrix, moments = weights(60, 64, seed), moments_of(inputs(64, seed=seed))
        plain = bcq_tf.quantize(matrix, bits, scale_dtype="float32")
        codes = bcq_tf.quantize(matrix, bits, scale_dtype="float32", moments=moments, effort="low")
        assert np.all(costs(matrix, codes, moments) <= costs(matrix, plain, moments) * 1.001)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_short_scales_cost_less_than_what_their_bits_would_bring(bits, offset):
    # 7 of 16 bits of each scale of a group of 64: .11 bits a plane, at 6 decibels a bit.
    matrix, moments = weights(40, 256), moments_of(inputs(256))
    settings = {"bits": bits, "group_size": 64, "offset": offset, "moments": moments}
    long = bcq_tf.quantize(matrix, **settings, scale_dtype="float16")
    short = bcq_tf.quantize(matrix, **settings, scale_dtype="e5m4")
    saved = long.bits_per_weight - short.bits_per_weight
    assert saved == pytest.approx(bits * 7 / 64, abs=0.01)
    risen = costs(matrix, short, moments).sum() / costs(matrix, long, moments).sum()
    assert 0.98 < risen < 4**saved
    for larger, smaller in itertools.pairwise(short.scales):
        assert np.all(larger >= smaller)


@pytest.mark.parametrize("offset", [False, True])
def test_rounding_one_scale_after_the_other_raises_no_cost(offset):
    matrix, bits = weights(30, 96), 3
    form = QuadraticForm.of(moments_of(inputs(96)))
    rng, group = np.random.default_rng(0), np.arange(96) // 40
    codes = rng.integers(0, 8, (30, 96)).astype(np.uint8)
    params = SHORT.rounded(rng.random((bits + offset, 30, 3))).astype(np.float64)
    rounding = Rounding(form.matrix, group, bits, offset, SHORT)
    before = np.inf
    for _ in range(3):
        errors = matrix - values_of(codes, params, group, offset)
        pull = errors @ form.matrix
        cost = np.einsum("rc,rc->r", errors, pull)
        assert np.all(cost <= before + 1e-3)
        before = cost
        rounding(params, codes, errors, pull)
        left = matrix - values_of(codes, params, group, offset)
        np.testing.assert_allclose(errors, left, atol=1e-4)
        np.testing.assert_allclose(pull, left @ form.matrix, atol=1e-3)
        np.testing.assert_array_equal(SHORT.rounded(params[offset:]), params[offset:])


def test_independent_inputs_of_one_size_ask_for_plain_codes():
    matrix = weights(30, 96)
    plain = bcq_tf.quantize(matrix, 3)
    for moments in (np.eye(96), np.zeros((96, 96))):
        codes = bcq_tf.quantize(matrix, 3, moments=moments)
        assert relative_error(matrix, codes) < 1.01 * relative_error(matrix, plain)


def test_the_size_of_the_inputs_changes_nothing():
    matrix, moments = weights(10, 64), moments_of(inputs(64))
    found = [
        bcq_tf.quantize(matrix, 2, moments=moments * scale).reconstruct()
        for scale in (1, 2.0**-40, 2.0**60)
    ]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_inputs_that_are_always_zero_cost_nothing():
    x = inputs(64)
    x[:, 5:20] = 0
    matrix = weights(10, 64)
    codes = bcq_tf.quantize(matrix, 2, moments=moments_of(x))
    without = np.delete(np.arange(64), np.arange(5, 20))
    only = bcq_tf.quantize(matrix[:, without], 2, moments=moments_of(x[:, without]))
    e, f = matrix - codes.reconstruct(), matrix[:, without] - only.reconstruct()
    assert np.sum((x @ e.T) ** 2) < 1.1 * np.sum((x[:, without] @ f.T) ** 2)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_weights_of_any_size(size, dtype):
    if dtype == "float16" and size != 1:
        pytest.skip("not in the dtype's range")
    matrix = (weights(6, 64) * size).astype(dtype)
    matrix[2] = 0
    codes = bcq_tf.quantize(matrix, 2, moments=moments_of(inputs(64)))
    assert relative_error(matrix, codes) < 1
    assert not codes.reconstruct()[2].any()


def test_rows_are_solved_alike_in_chunks_of_any_size(monkeypatch):
    matrix, moments = weights(70, 64), moments_of(inputs(64))
    whole = costs(matrix, bcq_tf.quantize(matrix, 2, moments=moments), moments)
    monkeypatch.setattr(solve, "CHUNK_WEIGHTS", 64 * 17)
    parts = costs(matrix, bcq_tf.quantize(matrix, 2, moments=moments), moments)
    np.testing.assert_allclose(parts.sum(), whole.sum(), rtol=1e-2)


def test_the_form_is_its_feedback_times_itself():
    moments = moments_of(inputs(40))
    form = QuadraticForm.of(moments)
    h = moments / np.trace(moments) * 40 + DAMPING * np.eye(40)
    np.testing.assert_allclose(form.matrix, h[np.ix_(form.order, form.order)], rtol=1e-5)
    assert np.all(np.diff(np.diag(form.matrix)) <= 0)
    upper = form.feedback.astype("float64")
    assert not np.tril(upper, -1).any()
    assert np.all(np.diag(upper) == 1)
    inverse = np.linalg.inv(upper)
    left = inverse @ form.matrix @ inverse.T
    np.testing.assert_allclose(left, np.diag(np.diag(left)), atol=1e-4)


@pytest.mark.parametrize("offset", [False, True])
def test_levels(offset):
    rng = np.random.default_rng(2)
    params = rng.normal(size=(3 + offset, 5, 2))
    levels, codes_of = ascending(params, offset)
    assert np.all(np.diff(levels, axis=-1) >= 0)
    signs = signs_of(codes_of, 3, offset)
    np.testing.assert_allclose(levels, np.einsum("rgkm,mrg->rgk", signs, params), rtol=1e-5)
    codes, group = rng.integers(0, 8, (5, 9), np.uint8), np.arange(9) % 2
    values = values_of(codes, params, group, offset)
    np.testing.assert_allclose(
        values, np.einsum("rcm,mrc->rc", signs_of(codes, 3, offset), params[:, :, group]), rtol=1e-5
    )
    same, others = canonical(params, codes, group, offset)
    scales = same[int(offset) :]
    assert scales.min() >= 0
    assert np.all(np.diff(scales, axis=0) <= 0)
    np.testing.assert_allclose(values_of(others, same, group, offset), values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_a_refit_is_least_squares_along_its_direction(groups, offset):
    rng = np.random.default_rng(6)
    moments = moments_of(inputs(40)).astype("float32") + 0.01 * np.eye(40, dtype="f")
    group = rng.permutation(np.arange(40) % groups)
    codes, errors = rng.integers(0, 4, (9, 40), np.uint8), weights(9, 40)
    codes[3] = 0  # both planes have the same signs
    params, values, through = Refit(moments, group, 2, offset)(codes, errors @ moments)
    signs = signs_of(codes, 2, offset)
    np.testing.assert_allclose(
        values, np.einsum("rcm,mrc->rc", signs, params[:, :, group]), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(through, values @ moments, rtol=1e-3, atol=1e-3)

    def cost(step):
        left = errors - step * values
        return np.einsum("rc,cd,rd->r", left, moments, left, dtype="float64")

    assert np.all(cost(1) <= cost(0.9) + 1e-5)
    assert np.all(cost(1) <= cost(1.1) + 1e-5)
    if groups == 1:
        for r in (0, 1, 3):
            b = np.unique(signs[r].T, axis=0)
            normal = b @ moments @ b.T
            best = errors[r] - np.linalg.lstsq(normal, b @ moments @ errors[r], rcond=1e-9)[0] @ b
            np.testing.assert_allclose(cost(1)[r], best @ moments @ best, rtol=1e-3)


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(compiled, "usable", lambda: False)


def block_of(rows, columns, bits, groups, seed=3):
    rng = np.random.default_rng(seed)
    params = rng.normal(size=(bits, rows, groups))
    levels, codes_of = ascending(params, False)
    group = rng.integers(0, groups, columns).astype("int32")
    block = blocks.Block(weights(rows, columns, seed), group, levels, codes_of)
    return block, params, group


def distances(block, targets):
    """How far each target is from each level of its column."""
    return np.abs(targets[:, :, None] - block.levels[:, block.group])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("rows", "columns", "bits", "groups"),
    [(1, 1, 1, 1), (17, 40, 2, 3), (33, 7, 4, 1), (5, 64, 8, 2)],
)
class TestBlock:
    def test_feedback_gives_each_column_the_level_nearest_its_target(
        self, rows, columns, bits, groups
    ):
        block, params, group = block_of(rows, columns, bits, groups)
        given = block.weights + 0.1 * weights(rows, columns, 9)
        feedback = np.triu(0.3 * weights(columns, columns, 4), 1) + np.eye(columns, dtype="f")
        codes, errors = blocks.feed_back(block, given, feedback)
        values = values_of(codes, params, group, False)
        np.testing.assert_allclose(errors, block.weights - values, atol=1e-5)
        targets = given + errors.astype("float64") @ np.triu(feedback, 1)
        best = distances(block, targets).min(axis=-1)
        np.testing.assert_allclose(np.abs(targets - values), best, atol=1e-4)

    def test_descent_gives_each_column_the_level_of_least_cost(self, rows, columns, bits, groups):
        block, params, group = block_of(rows, columns, bits, groups)
        form = (np.eye(columns) + moments_of(inputs(columns))).astype("float32")
        before = np.random.default_rng(5).integers(0, 1 << bits, (rows, columns), np.uint8)
        errors = block.weights - values_of(before, params, group, False)
        codes, after = blocks.descend(block, errors, errors @ form, before, form)
        values = values_of(codes, params, group, False)
        np.testing.assert_allclose(after, block.weights - values, atol=1e-5)
        for k in range(columns):
            mixed = np.concatenate([after[:, :k], errors[:, k:]], axis=1).astype("float64")
            targets = block.weights[:, k] - mixed[:, k] + (mixed @ form)[:, k] / form[k, k]
            best = np.abs(targets[:, None] - block.levels[:, group[k]]).min(axis=-1)
            np.testing.assert_allclose(np.abs(targets - values[:, k]), best, atol=1e-3)


def test_other_arguments_beside_moments_are_refused():
    matrix, moments = weights(4, 32), np.eye(32)
    codes = bcq_tf.quantize(matrix, 2)

    def refused(message, error=ValueError, moments=moments, **settings):
        with pytest.raises(error, match=message):
            bcq_tf.quantize(matrix, 2, moments=moments, **settings)

    refused("`moments` must be given without `importance`", importance=np.ones_like(matrix))
    refused("`moments` must be given without `start`", start=codes)
    refused("`moments` needs the alternating solver. Received: solver='greedy'", solver="greedy")
    refused(r"`moments` must be \[32, 32\], of the columns", moments=np.eye(31))
    refused("`moments` must be finite", moments=np.full((32, 32), np.nan))
    refused("`moments` must be symmetric", moments=np.triu(np.ones((32, 32))))
    refused("`moments` must be positive semi-definite", moments=np.eye(32) - np.ones((32, 32)))
    refused("`moments` must be an array of numbers|must hold real", TypeError, moments="x")


def test_a_matrix_is_corrected_to_what_it_gave_for_other_inputs():
    rng = np.random.default_rng(0)
    w, was = rng.normal(size=(7, 40)), rng.normal(size=(900, 40))
    now = was + 0.3 * rng.normal(size=(900, 40)) @ rng.normal(size=(40, 40))
    found = corrected(w, now.T @ now / 900, (was - now).T @ now / 900)
    best = np.linalg.lstsq(now, was @ w.T, rcond=None)[0].T
    errors = [((now @ each.T - was @ w.T) ** 2).sum() for each in (w, best, found)]
    assert errors[1] <= errors[2] < 1.05 * errors[1]
    assert errors[2] < 0.5 * errors[0]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_nothing_is_known_of_is_not_corrected(value):
    w = np.full((3, 8), value if np.isnan(value) else 1.0)
    zero = np.zeros((8, 8))
    np.testing.assert_array_equal(corrected(w, zero, zero), w)
