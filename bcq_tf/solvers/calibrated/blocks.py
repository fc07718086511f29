"""Columns of a block, one after the other, for all rows: by the compiled core where it is there."""

from __future__ import annotations

import dataclasses

import numpy as np

from bcq_tf.solvers.calibrated import compiled

WIDTH = 128  # columns; those of a block wait for each other, other blocks take its errors at once


@dataclasses.dataclass(frozen=True)
class Block:
    """Some columns of all rows.

    Args:
        weights: float32 [R, B].
        group: int32 [B], the group of each column.
        levels: float32 [R, G, K], those of each group, ascending.
        codes_of: uint8 [R, G, K], the code of each level.
    """

    weights: np.ndarray
    group: np.ndarray
    levels: np.ndarray
    codes_of: np.ndarray


def feed_back(block: Block, targets, feedback):
    """Gives each column the nearest levels of its target, and its errors to the targets behind it.

    Args:
        block: the columns.
        targets: float32 [R, B]: the weights, with the errors of the columns before the block.
        feedback: float32 [B, B], see `QuadraticForm`.

    Returns:
        (codes uint8 [R, B]; errors float32 [R, B], the weights less the values of the codes).
    """
    if compiled.usable():
        return compiled.feed_back(block, targets, feedback)
    return feed_back_in_numpy(block, targets, feedback)


def feed_back_in_numpy(block: Block, targets, feedback):
    targets, codes = targets.copy(), np.empty(targets.shape, np.uint8)
    errors = np.empty_like(targets)
    for k in range(targets.shape[1]):
        level, codes[:, k] = _nearest(block, k, targets[:, k])
        errors[:, k] = block.weights[:, k] - level
        targets[:, k + 1 :] += errors[:, k, None] * feedback[k, k + 1 :]
    return codes, errors


def descend(block: Block, errors, pull, codes, form):
    """Gives each column in turn the level of least cost, all others as they are.

    Args:
        block: the columns.
        errors: float32 [R, B], the weights less the values of the codes.
        pull: float32 [R, B], columns of errors @ H of whole rows.
        codes: uint8 [R, B].
        form: float32 [B, B], the block of H.

    Returns:
        (codes, errors), new arrays.
    """
    if compiled.usable():
        return compiled.descend(block, errors, pull, codes, form)
    return descend_in_numpy(block, errors, pull, codes, form)


def descend_in_numpy(block: Block, errors, pull, codes, form):
    codes, errors, pull = codes.copy(), errors.copy(), pull.copy()
    for k in range(errors.shape[1]):
        target = block.weights[:, k] - errors[:, k] + pull[:, k] / form[k, k]
        level, codes[:, k] = _nearest(block, k, target)
        new = block.weights[:, k] - level
        pull[:, k + 1 :] += (new - errors[:, k])[:, None] * form[k, k + 1 :]
        errors[:, k] = new
    return codes, errors


def _nearest(block: Block, column: int, targets) -> tuple[np.ndarray, np.ndarray]:
    # (levels, codes), [R] each.
    levels = block.levels[:, block.group[column]]
    middles = (levels[:, 1:] + levels[:, :-1]) * np.float32(0.5)
    rank = (targets[:, None] > middles).sum(axis=1)
    rows = np.arange(len(targets))
    return levels[rows, rank], block.codes_of[rows, block.group[column], rank]
