"""The parts of the solvers, each against a plain loop."""

import itertools

import numpy as np
import pytest

from bcq_tf.solvers.binary import least_squares
from bcq_tf.solvers.binary.binary_search import count_below
from bcq_tf.solvers.binary.block import regularized
from bcq_tf.solvers.binary.levels import nearest_codes, pattern_codes, thresholds_and_patterns
from bcq_tf.solvers.binary.segments import SortedRows, two_level_params
from bcq_tf.solvers.spans import for_chunks, spans
from tests.solvers.reference import brute_force, draw

LAYOUTS = [(bits, offset) for bits in (1, 2, 3, 4, 6, 8) for offset in (False, True)]


def random_params(bits: int, offset: bool, count: int, seed: int) -> np.ndarray:
    """[m, count], scales of any order and sign."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((bits + offset, count))


def all_levels(params: np.ndarray, offset: bool) -> np.ndarray:
    """Every value that the params [m] of one row can make."""
    scales = params[int(offset) :]
    signs = np.array(list(itertools.product([-1, 1], repeat=len(scales))))
    return np.sort(signs @ scales + (params[0] if offset else 0))


@pytest.mark.parametrize("length", [*range(10), 31, 32, 33, 127, 128, 129, 1000])
def test_count_below_is_searchsorted(length):
    rng = np.random.default_rng(length)
    tables = np.sort(rng.integers(0, 50, (3, length + 2)).astype(float), axis=1)
    tables[:, length:] = np.inf
    begin = np.arange(3) * (length + 2)
    queries = rng.integers(-1, 52, (40, 3)).astype(float)
    found = count_below(tables.ravel(), length, begin, queries) - begin
    for row in range(3):
        expected = np.searchsorted(tables[row, :length], queries[:, row], side="left")
        np.testing.assert_array_equal(found[:, row], expected)


@pytest.mark.parametrize(("bits", "offset"), LAYOUTS)
def test_thresholds_are_midway_between_neighbouring_levels(bits, offset):
    params = random_params(bits, offset, 5, seed=bits)
    thresholds, patterns = thresholds_and_patterns(params, offset)
    assert thresholds.shape == ((1 << (len(params) - 1)) - 1, 5)
    for row in range(5):
        levels = all_levels(params[:, row], offset)
        if not offset:
            levels = np.sort(levels[levels >= 0])
        np.testing.assert_allclose(thresholds[:, row], (levels[1:] + levels[:-1]) / 2, atol=1e-10)
        # The signs of each pattern make the level that they stand for.
        codes = pattern_codes(bits, offset)[patterns[:, row]]
        signs = np.where(codes[:, None] >> np.arange(bits) & 1, 1, -1)
        made = signs @ params[int(offset) :, row] + (params[0, row] if offset else 0)
        np.testing.assert_allclose(made, levels, atol=1e-10)


@pytest.mark.parametrize(("bits", "offset"), LAYOUTS)
def test_nearest_codes_are_the_nearest_levels(bits, offset):
    params = random_params(bits, offset, 4, seed=10 + bits)
    values = 2 * np.random.default_rng(bits).standard_normal((4, 50))
    codes = nearest_codes(values, params, offset)
    signs = np.where(codes[None] >> np.arange(bits, dtype=np.uint8)[:, None, None] & 1, 1, -1)
    made = np.einsum("in,inc->nc", params[int(offset) :], signs)
    made += params[0][:, None] if offset else 0
    for row in range(4):
        levels = all_levels(params[:, row], offset)
        nearest = np.abs(values[row][:, None] - levels).min(axis=1)
        np.testing.assert_allclose(np.abs(values[row] - made[row]), nearest, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("bits", "offset"), LAYOUTS)
def test_a_step_is_the_least_squares_fit_to_the_nearest_levels(bits, offset, weighted):
    rng = np.random.default_rng(bits)
    values = rng.standard_normal((3, 600))
    weights = rng.uniform(0.1, 5, values.shape) if weighted else None
    h = np.ones(values.shape) if weights is None else weights
    params = np.abs(random_params(bits, offset, 6, seed=bits).reshape(-1, 3, 2))
    rows = SortedRows(values if offset else np.abs(values), weights, offset)
    new, explained = rows.step(params)
    before = rows.explained(params)
    for row, lane in itertools.product(range(3), range(2)):
        codes = nearest_codes(values[row : row + 1], params[:, row, lane][:, None], offset)[0]
        signs = np.where(codes[:, None] >> np.arange(bits, dtype=np.uint8) & 1, 1.0, -1.0)
        if offset:
            signs = np.concatenate([np.ones((600, 1)), signs], axis=1)
        root = np.sqrt(h[row])
        fit = np.linalg.lstsq(signs * root[:, None], values[row] * root, rcond=None)[0]
        energy = np.sum(h[row] * values[row] ** 2)

        def error(x, signs=signs, row=row):
            return np.sum(h[row] * (values[row] - signs @ x) ** 2)

        assert energy - explained[row, lane] == pytest.approx(error(fit), rel=1e-9)
        assert error(new[:, row, lane]) == pytest.approx(error(fit), rel=1e-9)
        assert energy - before[row, lane] == pytest.approx(error(params[:, row, lane]), rel=1e-9)


@pytest.mark.parametrize("m", range(1, 10))
def test_walsh_hadamard_is_its_matrix(m):
    count = 1 << (m - 1)
    values = np.random.default_rng(m).standard_normal((count, 3))
    index = np.arange(count)
    matrix = [[(-1) ** bin(i & p).count("1") for p in index] for i in index]
    expected = np.array(matrix) @ values
    least_squares.walsh_hadamard(values)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_scales_that_no_weight_tells_apart_stay_finite():
    # One level in use: rank 1 in three unknowns.
    values = np.full((1, 40), 0.7)
    new, explained = SortedRows(values, None, False).step(np.array([1.0, 0.5, 0.2])[:, None, None])
    assert np.isfinite(new).all()
    assert explained[0, 0] == pytest.approx(40 * 0.49, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_two_levels_are_the_brute_force_optimum(weighted):
    for seed in range(20):
        row = draw("laplace", 1, 7, seed)
        h = np.random.default_rng(seed).uniform(0.1, 3, row.shape) if weighted else None
        for bits, offset in ((2, False), (1, True)):
            rows = SortedRows(row if offset else np.abs(row), h, offset)
            explained = rows.explained(two_level_params(rows)[:, :, None])[0, 0]
            energy = np.sum(row**2 * (1 if h is None else h))
            best = brute_force(row[0], bits, None if h is None else h[0], offset)
            assert energy - explained == pytest.approx(best, abs=1e-10), f"seed {seed}"


def test_importances_have_a_floor_and_no_scale():
    h = np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0], [5.0, 5.0, 5.0]])
    expected = [[0.1, 0.85, 2.35], [1, 1, 1], [1.1, 1.1, 1.1]]
    np.testing.assert_allclose(regularized(h), expected)
    np.testing.assert_allclose(regularized(h * 1e300), expected)
    np.testing.assert_allclose(regularized(h * 1e-300), expected)


@pytest.mark.parametrize(
    ("columns", "group_size", "expected"),
    [
        (100, None, [(0, 100, 0, 1)]),
        (100, 128, [(0, 100, 0, 1)]),
        (128, 32, [(0, 128, 0, 4)]),
        (100, 32, [(0, 96, 0, 3), (96, 100, 3, 4)]),
    ],
)
def test_spans_cover_the_columns(columns, group_size, expected):
    found = [
        (s.columns.start, s.columns.stop, s.groups.start, s.groups.stop)
        for s in spans(columns, group_size)
    ]
    assert found == expected


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_chunks_cover_the_rows_once(count):
    seen = np.zeros(count, int)

    def work(chunk):
        seen[chunk] += 1

    for_chunks(count, 100, 4, work)
    assert (seen == 1).all()


def test_an_error_in_a_chunk_is_raised():
    def work(chunk):
        raise KeyError(chunk.start)

    with pytest.raises(KeyError):
        for_chunks(100_000, 100, 4, work)
