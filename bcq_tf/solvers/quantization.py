"""`quantize`: a float matrix to `BinaryCodes`."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from bcq_tf.codes import BinaryCodes, packing
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import UNSET, BCQConfig, check_row_bits, make_config
from bcq_tf.solvers import checks
from bcq_tf.solvers.binary import alternating, compiled, greedy, uniform
from bcq_tf.solvers.binary.block import Block, params_of
from bcq_tf.solvers.binary.scale_range import is_far, solve_in_range
from bcq_tf.solvers.calibrated import solve as calibrated
from bcq_tf.solvers.calibrated.form import QuadraticForm
from bcq_tf.solvers.rows import solve_by_bits
from bcq_tf.solvers.spans import Span, for_chunks, spans

_SOLVERS = {
    "alternating": alternating.solve,
    "greedy": lambda block, effort: greedy.solve(block),
    "uniform": lambda block, effort: uniform.solve(block),
}


def quantize(
    matrix,
    bits: int = UNSET,
    group_size: int | None = UNSET,
    offset: bool = UNSET,
    solver: str = UNSET,
    importance=None,
    start: BinaryCodes | None = None,
    effort: str = "full",
    scale_dtype: str = UNSET,
    config: BCQConfig | None = None,
    moments=None,
) -> BinaryCodes:
    """Finds binary codes of small squared error sum h (w - w^)^2 for a matrix.

    With `moments` H the error is e H e^T for the errors e = w - w^ of each row: that of the product
    with such inputs, not that of the weights.

    Scales are rounded to `scale_dtype` first and signs chosen for the rounded scales, so
    `reconstruct()` is what was optimized. Scales are non-negative and in descending order. The
    result depends on the arguments alone, not on the number of cores.

    Args:
        matrix: float [R, C], finite (float16, float32, float64 or bfloat16).
        bits, group_size, offset, solver, scale_dtype: the fields of a `BCQConfig`. The alternating
            solver is the best, and exact, up to the rounding of scales, for one bit and for two
            bits without an offset. With `scale_dtype` "auto" scales are float32 where the largest
            of them is above 65,504 or below 2^-14, and float16 otherwise; single rows too small for
            that become zeros. A matrix that is too large is an error, and with a dtype
            that is named one that is too small, too.
        config: a `BCQConfig` in place of these; with `row_bits`, rows have different numbers of
            bits and are stored in another order.
        importance: h, non-negative [R, C], for example Adam's second moments; None for 1. Used as
            h / mean(h) + 0.1 in each group; groups of which all h are 0 are solved unweighted.
        start: codes of an earlier solve with the same shape, bits, groups and offset. The
            alternating solver is never worse than the start's scales; the others ignore it.
        effort: of the alternating solver: "full"; "low" (a fraction of the time, for use while
            training); "warm" (three rounds from `start`, no search).
        moments: H = E[x x^T], float [C, C], symmetric and positive semi-definite: the second
            moments of the inputs x [..., C] that the matrix is multiplied by. For the alternating
            solver, without `importance` and `start`. It is used with a mean diagonal of 1 and .1
            added to the diagonal; zeros are taken for the moments of noise.

    Returns:
        `BinaryCodes` of shape [R, C].

    Raises:
        ValueError, TypeError: an argument breaks its rule, or `scale_dtype` cannot hold the scales.

    Example:
        >>> matrix = np.random.default_rng(0).normal(size=(100, 256)).astype("float32")
        >>> codes = bcq_tf.quantize(matrix, bits=3)
        >>> codes.bits_per_weight, codes.reconstruct().shape
        (3.1875, (100, 256))
        >>> round(float(((codes.reconstruct() - matrix) ** 2).sum() / (matrix**2).sum()), 3)
        0.033
    """
    config = make_config(config, bits, group_size, offset, solver, scale_dtype)
    matrix = checks.check_matrix(matrix)
    importance = checks.check_importance(importance, matrix)
    checks.check_effort(effort, start)
    check_row_bits(config, len(matrix))
    checks.check_start(start, matrix, config)
    solve = _solve
    if moments is not None:
        checks.check_alone("moments", config, importance=importance, start=start)
        if not isinstance(moments, QuadraticForm):  # made once for several solves
            moments = QuadraticForm.of(checks.check_moments(moments, matrix))
        solve = functools.partial(_solve_calibrated, moments)
    solve = functools.partial(_quantize, solve, effort)
    if config.row_bits is not None:
        return solve_by_bits(solve, matrix, importance, start, config)
    return solve(matrix, importance, start, config)


def _quantize(solve, effort: str, matrix, importance, start, config: BCQConfig) -> BinaryCodes:
    if effort == "warm" and is_far(matrix, start):
        effort = "low"
    params, planes = solve_in_range(solve, matrix, importance, start, config, effort)
    offset = params[0] if config.offset else None
    return BinaryCodes(
        planes, params[int(config.offset) :], matrix.shape[1], config.group_size, offset
    )


def rough_values(matrix, moments: QuadraticForm | None, config: BCQConfig) -> np.ndarray:
    """About what `quantize` would make of a matrix, float32 [R, C], in a fraction of the time."""
    if moments is None or config.solver != "alternating":
        plain = dataclasses.replace(config, row_bits=None)
        return quantize(matrix, config=plain, effort="low").reconstruct()
    return calibrated.rough_values(matrix, moments, config, _plain)


def _solve_calibrated(form, matrix, importance, start, config: BCQConfig, effort: str):
    params, codes = calibrated.solve(matrix, form, config, effort, _plain)
    return params, _planes(codes, config.bits)


def _plain(rows, importance, config: BCQConfig):
    return _solve(rows, importance, None, config, "low")


def _solve(matrix, importance, start, config: BCQConfig, effort: str):
    if config.solver == "alternating" and compiled.takes(matrix.shape[1], config.group_size):
        return compiled.solve(matrix, importance, start, config, effort)
    return _solve_in_numpy(matrix, importance, start, config, effort)


def _solve_in_numpy(matrix, importance, start, config: BCQConfig, effort: str):
    # (params [m, R, G], planes), as `compiled.solve`.
    rows, columns = matrix.shape
    groups = 1 if config.group_size is None else -(-columns // config.group_size)
    params = np.empty(
        (config.bits + config.offset, rows, groups), SCALE_DTYPES[config.scale_dtype].held
    )
    codes = np.empty(matrix.shape, np.uint8)
    for span in spans(columns, config.group_size):
        found = _solve_span(span, matrix, importance, start, config, effort)
        params[:, :, span.groups] = found[0].reshape(len(params), rows, -1)
        codes[:, span.columns] = found[1].reshape(rows, -1)
    return params, _planes(codes, config.bits)


def _solve_span(span: Span, matrix, importance, start, config: BCQConfig, effort: str):
    # The rows [n, width] of a span -> (params [m, n] as stored, codes uint8 [n, width]).
    values = span.rows(matrix)
    weights = None if importance is None else span.rows(importance)
    old = None if start is None else span.params(params_of(start, config.bits))
    params = np.empty(
        (config.bits + config.offset, len(values)), SCALE_DTYPES[config.scale_dtype].held
    )
    codes = np.empty(values.shape, np.uint8)

    def work(chunk: slice) -> None:
        block = Block.make(
            values[chunk],
            None if weights is None else weights[chunk],
            None if old is None else old[:, chunk],
            config,
        )
        # A scale too large for its dtype is Inf, see `solve_in_range`.
        with np.errstate(over="ignore", invalid="ignore"):
            solved, codes[chunk] = _SOLVERS[config.solver](block, effort)
            params[:, chunk] = block.stored(solved)

    for_chunks(*values.shape, 1 << len(params) >> 1, work)
    return params, codes


def _planes(codes: np.ndarray, bits: int) -> list[np.ndarray]:
    return [packing.pack((codes & np.uint8(1 << i)) != 0) for i in range(bits)]
