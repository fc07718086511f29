"""The array of a `.npy` file that may be damaged."""

from __future__ import annotations

import textwrap

import numpy as np


def open_array(path: str, error: type[ValueError]) -> np.ndarray:
    """The array of a `.npy` file, read-only and mapped, so that only what is used is read.

    Args:
        path: of the file.
        error: raised where this is no such file, with one line that names it.

    Raises:
        OSError: the file cannot be opened.
    """
    with open(path, "rb"):  # a missing file is an error of its own
        pass
    try:
        with np.errstate(over="ignore"):  # of the sizes in a header
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as reason:  # NumPy evaluates the header, and nearly anything may come of it
        said = textwrap.shorten(str(reason) or type(reason).__name__, 150, placeholder="...")
        raise error(f"'{path}' is no whole .npy file of an array: {said}") from None
