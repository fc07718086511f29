"""Convolutions and pooling in one, two and three dimensions; channels last, as TensorFlow has them.

Sizes, strides and the like have one number for each spatial axis.
"""

from __future__ import annotations

import numpy as np

from bcq_tf.runtime.operations.registry import operation


@operation("convolve")
def convolve(x, kernel, *, strides: list, dilations: list, padding: str, explicit: list = ()):
    """x [B, ..., C] with a kernel [..., C / groups, N]: [B, ..., N].

    padding: "SAME", "VALID", or "EXPLICIT" with two numbers for each spatial axis.
    """
    sizes = kernel.shape[:-2]
    x = _padded(x, sizes, strides, dilations, padding, explicit, 0)
    patches = _patches(x, sizes, strides, dilations)  # [B, places, C, sizes]
    groups = x.shape[-1] // kernel.shape[-2]
    axes = len(sizes)
    places = patches.shape[: 1 + axes]
    patches = np.moveaxis(patches, 1 + axes, -1)  # [B, places, sizes, C]
    width = int(np.prod(kernel.shape[:-1]))  # of a patch of one group
    if groups == 1:
        return patches.reshape(*places, width) @ kernel.reshape(width, kernel.shape[-1])
    per = kernel.shape[-1] // groups
    parts = [
        patches[..., g * kernel.shape[-2] : (g + 1) * kernel.shape[-2]].reshape(*places, width)
        @ kernel[..., g * per : (g + 1) * per].reshape(width, per)
        for g in range(groups)
    ]
    return np.concatenate(parts, -1)


@operation("convolve_depthwise")
def convolve_depthwise(x, kernel, *, strides: list, dilations: list, padding: str,
                       explicit: list = ()):  # fmt: skip
    """x [B, ..., C] with a kernel [..., C, M]: [B, ..., C M]."""
    sizes = kernel.shape[:-2]
    x = _padded(x, sizes, strides, dilations, padding, explicit, 0)
    step = [slice(None, None, s) for s in strides]
    ends = [n - (size - 1) * d for n, size, d in zip(x.shape[1:-1], sizes, dilations, strict=True)]
    total = 0
    for place in np.ndindex(*sizes):
        begins = [p * d for p, d in zip(place, dilations, strict=True)]
        block = x[(slice(None), *(slice(b, b + e) for b, e in zip(begins, ends, strict=True)))]
        total = total + block[(slice(None), *step)][..., np.newaxis] * kernel[place]
    return total.reshape(*total.shape[:-2], -1)


@operation("convolve_transposed")
def convolve_transposed(lengths, kernel, x, *, strides: list, dilations: list, padding: str,
                        explicit: list = ()):  # fmt: skip
    """The gradient of `convolve` by its x, of these lengths: kernel [..., N, C], x [B, ..., C]."""
    sizes = kernel.shape[:-2]
    out = [int(n) for n in lengths[1:-1]]
    pads = _pads(out, sizes, strides, dilations, padding, explicit)
    full = np.zeros(
        (x.shape[0], *(n + sum(p) for n, p in zip(out, pads, strict=True)), kernel.shape[-2]),
        x.dtype,
    )
    places = x.shape[1:-1]
    for place in np.ndindex(*sizes):
        part = x @ kernel[place].T
        at = [
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(place, dilations, places, strides, strict=True)
        ]
        full[(slice(None), *at)] += part
    inner = [slice(before, before + n) for (before, _), n in zip(pads, out, strict=True)]
    return full[(slice(None), *inner)]


@operation("max_pool")
def max_pool(x, *, sizes: list, strides: list, padding: str):
    """The largest of each window: x [B, ..., C]."""
    ones = [1] * len(sizes)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    x = _padded(x, sizes, strides, ones, padding, (), lowest)
    return _patches(x, sizes, strides, ones).max(tuple(range(-len(sizes), 0)))


@operation("average_pool")
def average_pool(x, *, sizes: list, strides: list, padding: str):
    """The mean of each window, of what lies within x: [B, ..., C]."""
    ones = [1] * len(sizes)
    axes = tuple(range(-len(sizes), 0))

    def sums(of):
        return _patches(
            _padded(of, sizes, strides, ones, padding, (), 0), sizes, strides, ones
        ).sum(axes)

    return sums(x) / sums(np.ones((1, *x.shape[1:-1], 1), x.dtype))


def _patches(x, sizes, strides, dilations):
    # x [B, ..., C] -> [B, places, C, sizes], a view.
    axes = range(1, 1 + len(sizes))
    spans = [(size - 1) * d + 1 for size, d in zip(sizes, dilations, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(axes))
    steps = [slice(None, None, s) for s in strides]
    inner = [slice(None, None, d) for d in dilations]
    return windows[(slice(None), *steps, slice(None), *inner)]


def _padded(x, sizes, strides, dilations, padding, explicit, value):
    pads = _pads(x.shape[1:-1], sizes, strides, dilations, padding, explicit)
    if not any(map(any, pads)):
        return x
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


def _pads(lengths, sizes, strides, dilations, padding, explicit) -> list[tuple[int, int]]:
    # What stands before and after each spatial axis.
    if padding == "VALID":
        return [(0, 0)] * len(sizes)
    if padding == "EXPLICIT":
        return [(explicit[2 * i], explicit[2 * i + 1]) for i in range(len(sizes))]
    pads = []
    for length, size, stride, dilation in zip(lengths, sizes, strides, dilations, strict=True):
        places = -(-length // stride)
        missing = max((places - 1) * stride + (size - 1) * dilation + 1 - length, 0)
        pads.append((missing // 2, missing - missing // 2))
    return pads
