"""Weights onto the nearest values that their codes' scales allow, in Keras operations."""

from __future__ import annotations

import itertools

import numpy as np
from keras import ops

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection import Chosen


def levels(codes: BinaryCodes) -> np.ndarray:
    """The values >= 0 that a weight can take above its offset, ascending.

    Returns:
        float32 [R, G, 2**(bits - 1)]; the others are their negatives.
    """
    scales = np.stack([s.astype(np.float32) for s in codes.scales], axis=-1)
    values = scales[..., :1]
    for i in range(1, codes.bits):
        scale = scales[..., i : i + 1]
        values = np.concatenate([values - scale, values + scale], axis=-1)
    return np.sort(np.abs(values), axis=-1)


def offset(codes: BinaryCodes) -> np.ndarray:
    """What the levels are relative to: float32 [R, G], or [1, 1] where the codes have no offset."""
    if codes.offset is None:
        return np.zeros((1, 1), np.float32)
    return codes.offset.astype(np.float32)


def project(weight: Chosen, value, its_levels, its_offset):
    """(the latent weight within the range of its levels, its nearest level).

    value: a tensor of the weight's shape; both results are of its shape and dtype.
    its_levels, its_offset: tensors of what `levels` and `offset` return.
    """
    view, group_size = weight.view, weight.config.group_size
    rows = ops.transpose(ops.cast(value, "float32"), view.permutation)
    rows = ops.reshape(rows, view.matrix_shape)

    def along_row(per_group):
        return _along_row(per_group, group_size, view.matrix_shape[1])

    def restore(matrix):
        permuted = ops.reshape(matrix, [view.shape[axis] for axis in view.permutation])
        return ops.cast(ops.transpose(permuted, view.inverse_permutation), value.dtype)

    centre = along_row(its_offset)
    size = _group_means(ops.abs(rows - centre), its_levels.shape[1], group_size)
    limit = along_row(_range(its_levels, size))
    latent = ops.minimum(ops.maximum(rows, centre - limit), centre + limit)
    steps = [along_row(level) for level in ops.unstack(its_levels, axis=-1)]
    return restore(latent), restore(_nearest(latent - centre, steps) + centre)


def project_all(weights: tuple[Chosen, ...], values, all_levels, offsets):
    """`project` for several weights: (latent weights, nearest levels), each a tuple."""
    pairs = [project(*one) for one in zip(weights, values, all_levels, offsets, strict=True)]
    return tuple(zip(*pairs, strict=True))


def _range(its_levels, size):
    # [R, G, L] -> [R, G]: where 2 L levels, evenly spaced, would stop being the nearest. Nothing is
    # limited where the weights' mean size [R, G] is beyond that: the levels are not theirs. They
    # were written since the last solve; or the levels are 0 or tiny, as the weights were before.
    top, number = its_levels[..., -1], 2 * its_levels.shape[-1]
    limit = top * (number / (number - 1))
    return ops.where(size > limit, np.inf, limit)


def _group_means(matrix, groups: int, group_size: int | None):
    # [R, C] -> [R, G]
    if groups == 1:
        return ops.mean(matrix, axis=1, keepdims=True)
    columns = matrix.shape[1]
    padded = ops.pad(matrix, ((0, 0), (0, groups * group_size - columns)))
    sums = ops.sum(ops.reshape(padded, (-1, groups, group_size)), axis=-1)
    return sums / np.minimum(group_size, columns - group_size * np.arange(groups, dtype="float32"))


def _nearest(matrix, steps):
    """Each weight's nearest of the levels `steps`, ascending, and of their negatives."""
    magnitude = ops.abs(matrix)
    value = ops.broadcast_to(steps[0], matrix.shape)
    for lower, upper in itertools.pairwise(steps):
        value = ops.where(magnitude > (lower + upper) / 2, upper, value)
    return ops.where(matrix < 0, -value, value)  # not ops.sign, which is 0 at 0


def _along_row(per_group, group_size: int | None, columns: int):
    # [R, G] -> [R, C], or [R, 1] that broadcasts where one group is the whole row.
    if per_group.shape[1] == 1:
        return per_group
    return ops.repeat(per_group, group_size, axis=1)[:, :columns]
