"""What a model's loss becomes with a weight in so many bits: the second order of its Taylor series.

A row's error e costs e F e^T / 2 with the Fisher information F of the row, which samples estimate
as a sum over the weight's uses, see `bcq_tf.models.calibration.sums.Use`. Errors come from solving
some of the rows; those of the others are as large in proportion to their weights.

The second order is too little for words that are never right: noise of variance v in a logit of
probability p, which is small, adds p (exp(v / 2) - 1) to the sum of all exponentials, not p v / 2.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.codes.packing import words_per_row
from bcq_tf.codes.row_bits import packed_bytes
from bcq_tf.codes.scale_dtypes import SCALE_DTYPES
from bcq_tf.config import AUTO, BCQConfig
from bcq_tf.models.calibration.sums import Use, moments_of
from bcq_tf.solvers.calibrated.form import QuadraticForm
from bcq_tf.solvers.quantization import rough_values

SAMPLED_ROWS = 64
MOST_VARIANCE = 40.0  # of a logit's noise, past which all is lost
UNSEEN = 0.5  # how much of the mean over rows is mixed into what each row's errors matter


@dataclasses.dataclass(frozen=True)
class Costs:
    """What settings of a weight cost.

    Args:
        configs: one for each setting.
        losses: float64 [n, settings], of each item: of the weight, or of its R rows where each may
            have other bits; in units of the loss, per sample.
        nbytes: float64 [settings], of an item.
    """

    configs: tuple[BCQConfig, ...]
    losses: np.ndarray
    nbytes: np.ndarray

    @property
    def by_rows(self) -> bool:
        """Whether rows may have different bits."""
        return len(self.losses) > 1


def costs_of(
    matrix: np.ndarray,
    uses: list[Use],
    samples: float,
    grid: list[list[BCQConfig]],
    by_rows: bool,
) -> list[Costs]:
    """The costs of a weight, for each line of settings of a grid.

    Args:
        matrix: float [R, C], its value.
        uses: of the weight, with squares; none where no sample tells.
        samples: that the squares are sums over.
        grid: the settings, by how scales are shared.
        by_rows: whether each row is an item.
    """
    form = QuadraticForm.of(moments_of(uses)) if uses else None
    uses = uses or [Use(None, np.ones(len(matrix)))]
    return [_costs(matrix, uses, form, samples, configs, by_rows) for configs in grid]


def _costs(matrix, uses, form, samples: float, configs: list[BCQConfig], by_rows: bool) -> Costs:
    rows = _sampled(len(matrix))
    errors = [_error(matrix[rows], config, form) for config in configs]
    losses = sum(_losses(use, matrix, rows, errors) for use in uses) / (2 * max(samples, 1.0))
    if not by_rows:
        losses = losses.sum(axis=0, keepdims=True)
    row_bytes = np.array([_row_bytes(config, matrix.shape[1]) for config in configs])
    if by_rows:
        nbytes = row_bytes + packed_bytes(8, max(config.bits for config in configs)) / 8
    else:
        nbytes = row_bytes * len(matrix)
    return Costs(tuple(configs), losses, nbytes)


def expected_loss(uses: list[Use], samples: float, errors: np.ndarray) -> float:
    """How much larger the loss is with `errors` [R, C] in a weight, per sample; 0 without uses."""
    lost = sum(float(use.squares @ _cost(use, _quadratic(errors, use.sums.mean))) for use in uses)
    return lost / (2 * max(samples, 1.0))


def _sampled(rows: int) -> np.ndarray:
    if rows <= SAMPLED_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, SAMPLED_ROWS, replace=False))


def _error(matrix, config: BCQConfig, form: QuadraticForm | None) -> np.ndarray:
    return matrix - rough_values(matrix, form, config)


def _losses(use: Use, matrix, rows, errors: list) -> np.ndarray:
    # [R, settings]
    moments = None if use.sums is None else use.sums.mean
    squares = (use.squares + UNSEEN * use.squares.mean()) / (1 + UNSEEN)
    diagonal = np.ones(matrix.shape[1], np.float32) if moments is None else np.diag(moments)
    energies = np.einsum("rc,c,rc->r", matrix, diagonal, matrix, optimize=True)
    lost = [_quadratic(error, moments).sum() for error in errors]
    ratios = np.array(lost) / (energies[rows].sum() or 1)
    return squares[:, None] * _cost(use, energies[:, None] * ratios)


def _cost(use: Use, squared: np.ndarray) -> np.ndarray:
    # Twice what mean squared errors of a row's outputs cost where the row matters as 1.
    return 2 * np.expm1(np.minimum(squared, MOST_VARIANCE) / 2) if use.logits else squared


def _quadratic(error, moments) -> np.ndarray:
    through = error if moments is None else error @ moments
    return np.einsum("rc,rc->r", error, through, dtype=np.float64)


def _row_bytes(config: BCQConfig, columns: int) -> float:
    groups = 1 if config.group_size is None else -(-columns // config.group_size)
    dtype = SCALE_DTYPES["float16" if config.scale_dtype == AUTO else config.scale_dtype]
    words = config.bits * 4 * words_per_row(columns)
    per_group = config.bits * dtype.bits / 8 + config.offset * dtype.held.itemsize
    return words + groups * per_group
