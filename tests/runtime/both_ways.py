"""A file's functions, run by the compiled core and in NumPy."""

import re

import numpy as np
import pytest

from bcq_tf import native, runtime

TOLERANCES = {"float16": 3e-3}


class BothWays:
    """A `Loaded` that runs all both ways, and gives NumPy's answers once the core agrees."""

    def __init__(self, path, tolerances=None):
        self._numpy, self._compiled = in_numpy(path), runtime.load(path)
        self._tolerances = TOLERANCES if tolerances is None else tolerances

    def __getattr__(self, name):
        return getattr(self._numpy, name)

    def __call__(self, *inputs):
        return self.function("call")(*inputs)

    def function(self, name):
        """The function `name`."""
        run, compiled = self._numpy.function(name), self._compiled.function(name)

        def call(*inputs):
            try:
                expected = run(*inputs)
            except Exception as error:
                with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
                    compiled(*inputs)
                raise
            for ours, theirs in zip(leaves(compiled(*inputs)), leaves(expected), strict=True):
                near(ours, theirs, self._tolerances.get(theirs.dtype.name, 1e-5))
            assert not self._compiled._in_numpy
            assert (self._compiled._compiled is None) == (native.core() is None)
            return expected

        return call


def in_numpy(path):
    """A `Loaded` that the core has no part in."""
    loaded = runtime.load(path)
    loaded._compiled = None
    return loaded


def leaves(structure):
    """Its arrays, in order."""
    if isinstance(structure, dict):
        structure = structure.values()
    elif not isinstance(structure, list):
        return [] if structure is None else [structure]
    return [leaf for each in structure for leaf in leaves(each)]


def near(actual, expected, tolerance=1e-5):
    """Asserts equal dtypes and shapes, and numbers within `tolerance` of the largest one."""
    expected = np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected)
        return
    scale = max(1, np.abs(expected[np.isfinite(expected)]).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)
