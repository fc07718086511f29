"""Operations that move numbers: shapes, parts of arrays, rows by number."""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import operation


@operation("shape")
def shape(x, *, dtype: str = "int32"):
    """The lengths of the axes."""
    return np.array(np.shape(x), dtype)


@operation("size")
def size(x, *, dtype: str = "int32"):
    """The number of elements."""
    return np.array(np.size(x), dtype)


@operation("rank")
def rank(x):
    """The number of axes."""
    return np.array(np.ndim(x), np.int32)


@operation("reshape")
def reshape(x, lengths):
    """x with other axes, one of which may be -1."""
    return np.reshape(x, lengths)


@operation("transpose")
def transpose(x, axes):
    """The axes in another order."""
    return np.transpose(x, axes)


@operation("expand_dims")
def expand_dims(x, axis):
    """An axis more, of length 1."""
    return np.expand_dims(x, int(axis))


@operation("squeeze")
def squeeze(x, *, axes: list):
    """Without these axes, of length 1; without all such, where there are none."""
    return np.squeeze(x, tuple(axes) if axes else None)


@operation("concatenate")
def concatenate(*parts, axis: int):
    """Arrays one after the other."""
    return np.concatenate(parts, axis)


@operation("stack")
def stack(*parts, axis: int):
    """Arrays along a new axis."""
    return np.stack(parts, axis)


@operation("unstack")
def unstack(x, *, axis: int):
    """The parts along an axis, which goes."""
    return tuple(np.moveaxis(x, axis, 0))


@operation("split")
def split(x, sizes, axis):
    """Parts of these sizes along an axis; one may be -1."""
    axis, sizes = int(axis), np.array(sizes)
    sizes[sizes < 0] = x.shape[axis] - sizes[sizes >= 0].sum()
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


@operation("split_evenly")
def split_evenly(x, *, count: int, axis: int):
    """`count` equal parts along an axis."""
    return tuple(np.split(x, count, axis))


@operation("slice")
def slice_(x, begin, lengths):
    """A block of x; a length of -1 reaches to the end."""
    ends = [None if n < 0 else b + n for b, n in zip(begin, lengths, strict=True)]
    return x[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]


@operation("strided_slice")
def strided_slice(x, begin, end, strides, *, begin_mask: int, end_mask: int, ellipsis_mask: int,
                  new_axis_mask: int, shrink_axis_mask: int):  # fmt: skip
    """As TensorFlow's of that name: bit i of a mask is of entry i of the slices."""
    index = []
    for i in range(len(begin)):
        bit = 1 << i
        if ellipsis_mask & bit:
            index.append(Ellipsis)
        elif new_axis_mask & bit:
            index.append(np.newaxis)
        elif shrink_axis_mask & bit:
            index.append(int(begin[i]))
        else:
            first = None if begin_mask & bit else int(begin[i])
            last = None if end_mask & bit else int(end[i])
            index.append(slice(first, last, int(strides[i])))
    return x[tuple(index)]


@operation("gather")
def gather(x, ids, axis, *, batch_axes: int = 0):
    """The parts `ids` of x along an axis; the first `batch_axes` axes of both go together."""
    _check_ids(ids, x.shape[int(axis)])
    if batch_axes == 0:
        return np.take(x, ids, int(axis))
    lead = np.ix_(*(np.arange(n) for n in x.shape[:batch_axes]))
    lead = tuple(a.reshape(*a.shape, *(1,) * (ids.ndim - batch_axes)) for a in lead)
    moved = np.moveaxis(x, int(axis), batch_axes)
    found = moved[(*lead, ids)]  # [batch axes, axes of ids, other axes]
    others = int(axis) - batch_axes
    return np.moveaxis(found, range(ids.ndim, ids.ndim + others), range(batch_axes, int(axis)))


@operation("gather_nd")
def gather_nd(x, ids):
    """The parts of x at the indexes that the last axis of `ids` holds."""
    for axis in range(ids.shape[-1]):
        _check_ids(ids[..., axis], x.shape[axis])
    if ids.shape[-1] == 0:  # all of x, each time
        return np.broadcast_to(x, ids.shape[:-1] + x.shape)
    return x[tuple(np.moveaxis(ids, -1, 0))]


@operation("scatter_update")
def scatter_update(x, ids, updates):
    """x with the parts at the indexes that the last axis of `ids` holds replaced."""
    result = np.array(x)
    result[tuple(np.moveaxis(ids, -1, 0))] = updates
    return result


@operation("scatter")
def scatter(ids, updates, lengths):
    """Zeros of these lengths with `updates` added at the indexes."""
    result = np.zeros(lengths, updates.dtype)
    np.add.at(result, tuple(np.moveaxis(ids, -1, 0)), updates)
    return result


@operation("update_slice")
def update_slice(x, update, begin):
    """x with a block replaced, which is moved so far that it lies within."""
    begin = [
        max(0, min(int(b), n - m)) for b, n, m in zip(begin, x.shape, update.shape, strict=True)
    ]
    result = np.array(x)
    result[tuple(slice(b, b + m) for b, m in zip(begin, update.shape, strict=True))] = update
    return result


@operation("tile")
def tile(x, counts):
    """x so often along each axis."""
    return np.tile(x, counts)


@operation("broadcast_to")
def broadcast_to(x, lengths):
    """x with axes of length 1 repeated."""
    return np.broadcast_to(x, lengths)


@operation("fill")
def fill(lengths, value):
    """One value everywhere."""
    return np.full(lengths, value, value.dtype)


@operation("zeros_like")
def zeros_like(x):
    """Zeros."""
    return np.zeros_like(x)


@operation("ones_like")
def ones_like(x):
    """Ones."""
    return np.ones_like(x)


@operation("range")
def range_(start, stop, step):
    """Numbers from `start` on, before `stop`."""
    return np.arange(start, stop, step, start.dtype)


@operation("pad")
def pad(x, widths, value=None):
    """A value, by default 0, around x: widths [axes, 2]."""
    value = np.zeros((), x.dtype) if value is None else value
    return np.pad(x, widths, constant_values=value)


@operation("mirror_pad")
def mirror_pad(x, widths, *, mode: str):
    """x mirrored around itself: "REFLECT" without its edge, "SYMMETRIC" with it."""
    return np.pad(x, widths, mode=mode.lower())


@operation("space_to_batch")
def space_to_batch(x, sizes, pads):
    """Blocks of these sizes along the axes after the first one: their places become the batch."""
    axes, sizes = len(sizes), [int(n) for n in sizes]
    rest = x.ndim - 1 - axes
    x = np.pad(x, [(0, 0), *pads, *[(0, 0)] * rest])
    lengths = [n // size for n, size in zip(x.shape[1:], sizes, strict=False)]
    cut = [each for pair in zip(lengths, sizes, strict=True) for each in pair]
    x = x.reshape(x.shape[0], *cut, *x.shape[1 + axes :])
    order = [*range(2, 2 * axes + 1, 2), 0, *range(1, 2 * axes, 2)]
    x = x.transpose(*order, *range(1 + 2 * axes, x.ndim))
    return x.reshape(-1, *x.shape[1 + axes :])


@operation("batch_to_space")
def batch_to_space(x, sizes, crops):
    """The inverse of `space_to_batch`, and without `crops` at the ends of the axes."""
    axes, sizes = len(sizes), [int(n) for n in sizes]
    lengths, others = x.shape[1 : 1 + axes], x.shape[1 + axes :]
    x = x.reshape(*sizes, -1, *lengths, *others)
    order = [axes] + [each for i in range(axes) for each in (axes + 1 + i, i)]
    x = x.transpose(*order, *range(2 * axes + 1, x.ndim))
    x = x.reshape(x.shape[0], *(n * s for n, s in zip(lengths, sizes, strict=True)), *others)
    ends = [
        slice(int(a), n - int(b)) for (a, b), n in zip(crops, x.shape[1 : 1 + axes], strict=True)
    ]
    return x[(slice(None), *ends)]


@operation("reverse")
def reverse(x, axes):
    """Axes backwards."""
    return np.flip(x, tuple(np.atleast_1d(axes)))


@operation("band_part")
def band_part(x, lower, upper):
    """x within a band of diagonals; a negative number is all of a side."""
    rows, columns = x.shape[-2:]
    below = np.arange(rows)[:, np.newaxis] - np.arange(columns)
    keeps = ((lower < 0) | (below <= lower)) & ((upper < 0) | (-below <= upper))
    return np.where(keeps, x, np.zeros((), x.dtype))


@operation("one_hot")
def one_hot(ids, depth, on, off, *, axis: int = -1):
    """`on` at each id of a new axis, `off` elsewhere."""
    axis = ids.ndim if axis == -1 else axis
    return np.where(
        np.expand_dims(ids, axis) == _along(np.arange(depth), axis, ids.ndim + 1), on, off
    )


@operation("cumulative_sum")
def cumulative_sum(x, axis, *, exclusive: bool, reverse: bool):
    """Sums of all up to each; exclusive: without itself."""
    axis = int(axis)
    turned = np.flip(x, axis) if reverse else x
    sums = np.cumsum(turned, axis, x.dtype)
    if exclusive:
        sums = sums - turned
    return np.flip(sums, axis) if reverse else sums


@operation("top_k")
def top_k(x, k):
    """The k largest of the last axis, falling, and where they stand; of equals the first."""
    order = np.argsort(-x, -1, kind="stable")[..., : int(k)].astype(np.int32)
    return np.take_along_axis(x, order, -1), order


def _along(vector, axis: int, axes: int):
    return vector.reshape([-1 if i == axis else 1 for i in range(axes)])


def _check_ids(ids, length: int) -> None:
    wrong = ids[(ids < 0) | (ids >= length)]
    if wrong.size:
        raise IndexError(f"ids must be from 0 to {length - 1}. Received: {wrong.flat[0]}")
