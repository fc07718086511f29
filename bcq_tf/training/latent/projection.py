"""Weights onto the nearest values that their codes' scales allow, in Keras operations."""

from __future__ import annotations

import itertools

import numpy as np
from keras import ops

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen


def levels(codes: BinaryCodes) -> np.ndarray:
    """The values >= 0 that a weight can take above its offset, ascending.

    Returns:
        float32 [R, G, 2**(bits - 1)]; the others are their negatives. Rows of fewer bits have each
        of theirs several times.
    """
    scales = np.zeros((codes.shape[0], codes.groups, codes.bits), np.float32)
    for i, scale in enumerate(codes.scales):
        scales[_rows(codes)[: len(scale)], :, i] = scale
    values = scales[..., :1]
    for i in range(1, codes.bits):
        scale = scales[..., i : i + 1]
        values = np.concatenate([values - scale, values + scale], axis=-1)
    return np.sort(np.abs(values), axis=-1)


def offset(codes: BinaryCodes) -> np.ndarray:
    """What the levels are relative to: float32 [R, G], or [1, 1] where the codes have no offset."""
    if codes.offset is None:
        return np.zeros((1, 1), np.float32)
    result = np.empty(codes.offset.shape, np.float32)
    result[_rows(codes)] = codes.offset
    return result


def _rows(codes: BinaryCodes) -> np.ndarray:
    return np.arange(codes.shape[0]) if codes.row_order is None else codes.row_order


def nearest(weight: Chosen, value, its_levels, its_offset):
    """A weight's nearest levels; NaN and Inf stay.

    value: a tensor of the weight's shape; the result is of its shape and dtype.
    its_levels, its_offset: tensors of what `levels` and `offset` return.
    """
    matrix, centre = _to_matrix(weight, value), _along_row(weight, its_offset)
    if weight.config.solver == "uniform":
        least, most = (_along_row(weight, its_levels[..., i]) for i in (0, -1))
        found = _nearest_multiple(matrix - centre, least, most) + centre
    else:
        steps = [_along_row(weight, level) for level in ops.unstack(its_levels, axis=-1)]
        found = _nearest_step(matrix - centre, steps) + centre
    return _from_matrix(weight, ops.where(ops.isfinite(matrix), found, matrix), value.dtype)


def within_range(weight: Chosen, value, its_levels, its_offset):
    """A weight, brought back to where its levels end; NaN and Inf stay. As `nearest` otherwise."""
    matrix, centre = _to_matrix(weight, value), _along_row(weight, its_offset)
    size = _group_means(ops.abs(matrix - centre), its_levels.shape[1], weight.config.group_size)
    limit = _along_row(weight, _range(its_levels, size))
    limited = ops.minimum(ops.maximum(matrix, centre - limit), centre + limit)
    return _from_matrix(weight, ops.where(ops.isfinite(matrix), limited, matrix), value.dtype)


def unless_written(present, latent, quantized, written):
    """What a weight is once a step has seen it quantized: (the value, whether others write it).

    The latent value comes back where the variable still holds the quantized one, all of it. What
    was written in between stays, and `written` is true from then on.

    present, latent, quantized: tensors of one shape. written: a boolean scalar.
    """
    same = ops.logical_or(
        ops.equal(present, quantized),
        ops.logical_and(ops.isnan(present), ops.isnan(quantized)),
    )
    written = ops.logical_or(written, ops.logical_not(ops.all(same)))
    return ops.where(written, present, latent), written


def _to_matrix(weight: Chosen, value):
    rows = ops.transpose(ops.cast(value, "float32"), weight.view.permutation)
    return ops.reshape(rows, weight.view.matrix_shape)


def _from_matrix(weight: Chosen, matrix, dtype):
    view = weight.view
    permuted = ops.reshape(matrix, [view.shape[axis] for axis in view.permutation])
    return ops.cast(ops.transpose(permuted, view.inverse_permutation), dtype)


def _range(its_levels, size):
    # [R, G, L] -> [R, G]: where levels, evenly spaced, would stop being the nearest. Nothing is
    # limited where the weights' mean size [R, G] is beyond that: the levels are not theirs. They
    # were written since the last solve; or the levels are 0 or tiny, as the weights were before.
    top = its_levels[..., -1]
    different = 1 + ops.sum(ops.cast(its_levels[..., 1:] > its_levels[..., :-1], "float32"), -1)
    limit = top * (2 * different / (2 * different - 1))
    return ops.where(size > limit, np.inf, limit)


def _group_means(matrix, groups: int, group_size: int | None):
    # [R, C] -> [R, G]
    if groups == 1:
        return ops.mean(matrix, axis=1, keepdims=True)
    columns = matrix.shape[1]
    padded = ops.pad(matrix, ((0, 0), (0, groups * group_size - columns)))
    sums = ops.sum(ops.reshape(padded, (-1, groups, group_size)), axis=-1)
    return sums / np.minimum(group_size, columns - group_size * np.arange(groups, dtype="float32"))


def _nearest_step(matrix, steps):
    """Each weight's nearest of the levels `steps`, ascending, and of their negatives."""
    magnitude = ops.abs(matrix)
    value = ops.broadcast_to(steps[0], matrix.shape)
    for lower, upper in itertools.pairwise(steps):
        value = ops.where(magnitude > (lower + upper) / 2, upper, value)
    return ops.where(matrix < 0, -value, value)  # not ops.sign, which is 0 at 0


def _nearest_multiple(matrix, least, most):
    """The same of levels that are odd multiples of the `least`, up to `most`, however many."""
    step = ops.maximum(least, np.finfo(np.float32).tiny)  # levels of 0 have no multiples
    index = ops.ceil(ops.abs(matrix) / (2 * step)) - 1
    index = ops.clip(index, 0, ops.round((most / step - 1) / 2))
    value = (2 * index + 1) * least
    return ops.where(matrix < 0, -value, value)


def _along_row(weight: Chosen, per_group):
    # [R, G] -> [R, C], or [R, 1] that broadcasts where one group is the whole row.
    if per_group.shape[1] == 1:
        return per_group
    columns = weight.view.matrix_shape[1]
    return ops.repeat(per_group, weight.config.group_size, axis=1)[:, :columns]
