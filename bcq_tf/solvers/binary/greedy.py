"""Greedy residual binarization: one plane after the other."""

from __future__ import annotations

import numpy as np

from bcq_tf.solvers.binary.block import Block


def solve(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Plane i holds the signs of what the planes before it left, at the mean magnitude of that.

    The fast baseline (Guo et al. 2017, "Network sketching"). Each scale is rounded before the
    residual is taken. The offset, where there is one, is the mean of the row.

    Returns:
        (params float64 [m, n], rounded, scales in descending order; codes uint8 [n, C]).
    """
    count, columns = block.values.shape
    params = np.zeros((block.bits + block.offset, count))
    residual = block.values.copy()
    if block.offset:
        params[0] = block.rounded(_mean(residual, block.weights))
        residual -= params[0][:, None]
    positive = np.empty((block.bits, count, columns), bool)
    for plane, scale in zip(positive, params[int(block.offset) :], strict=True):
        scale[:] = block.rounded(_mean(np.abs(residual), block.weights))
        np.greater_equal(residual, 0, out=plane)
        residual -= np.where(plane, scale[:, None], -scale[:, None])
    return _descending(params, positive, block.offset)


def _mean(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return values.mean(axis=1)
    return (values * weights).sum(axis=1) / weights.sum(axis=1)


def _descending(params: np.ndarray, positive: np.ndarray, offset: bool):
    # Scales of rows with outliers can grow from one plane to the next.
    scales = params[int(offset) :]
    order = np.argsort(-scales, axis=0, kind="stable")
    scales[:] = np.take_along_axis(scales, order, axis=0)
    codes = np.zeros(positive.shape[1:], np.uint8)
    for i, planes in enumerate(order):
        codes |= positive[planes, np.arange(len(planes))].view(np.uint8) << np.uint8(i)
    return params, codes
