"""Forms of binary codes that are easily got wrong, as arguments of `random_codes`; their checks."""

import ml_dtypes
import numpy as np

from tests.native.core import Packed, random_codes, scale_gradients

DTYPES = [np.float32, np.float16, ml_dtypes.bfloat16]
FORMS = {
    "one weight": (1, 1, 1),
    "one row": (1, 1000, 3, None, True),
    "one column": (130, 1, 2, None, True, True),
    "whole tiles": (128, 1024, 3),
    "short last word and tile": (65, 33, 4, 32, True),
    "short last group": (100, 1100, 2, 96, False, True),
    "groups across K tiles": (70, 2100, 3, 640, True, True, np.float32),
    "eight bits": (200, 300, 8, 64, True, True),
}


def seed(name):
    """The seed of the codes and inputs of a form."""
    return list(FORMS).index(name)


def packed_codes(name):
    return Packed.of(random_codes(np.random.default_rng(seed(name)), *FORMS[name]))


def inputs(shape, seed, dtype=np.float32):
    return np.random.default_rng(seed + 100).normal(size=shape).astype(dtype)


def relative_rms(found, expected):
    error = np.square(np.asarray(found, np.float64) - expected)
    return np.sqrt(error.mean() / np.square(expected).mean())


def assert_scale_gradients(found, packed, dweights):
    """Of scales and offset, from that of the weights: relative to sums of as many random signs."""
    squares = scale_gradients(packed, np.square(dweights))[1]
    for one, expected in zip(found, scale_gradients(packed, dweights), strict=True):
        error = np.sqrt(np.square(one - expected).mean())
        assert error <= 2e-6 * np.sqrt(squares.mean())
    for i, plane in enumerate(packed.codes.planes):
        assert not np.any(found[0][:, i, len(plane) :])
