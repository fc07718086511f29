"""Every wrong argument is one line that names the argument, the rule and the value."""

import re

import numpy as np
import pytest

from bcq_tf.codes import BinaryCodes
from bcq_tf.solvers import quantize, relative_error
from tests.solvers.reference import draw

pytestmark = pytest.mark.usefixtures("code")

MATRIX = draw("gaussian", 4, 64, seed=0)
CODES = quantize(MATRIX, 2, effort="low")


def with_value(value, count: int = 1) -> np.ndarray:
    matrix = MATRIX.copy()
    matrix.flat[:count] = value
    return matrix


def ragged() -> BinaryCodes:
    planes = [CODES.planes[0], CODES.planes[1][:2]]
    return BinaryCodes(planes, [CODES.scales[0], CODES.scales[1][:2]], 64)


def check(expected: str, error: type, function, *args, **kwargs) -> None:
    """The call raises one line that begins as expected."""
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert re.match(expected, message), message


MATRICES = [
    (np.zeros(4), ValueError, r"`matrix` must have rank 2. Received: shape=\[4\]"),
    (np.zeros((2, 3, 4)), ValueError, r"`matrix` must have rank 2. Received: shape=\[2, 3, 4\]"),
    (1.0, ValueError, r"`matrix` must have rank 2. Received: shape=\[\]"),
    (np.zeros((0, 4)), ValueError, r"`matrix` must not be empty. Received: shape=\[0, 4\]"),
    (np.zeros((4, 0)), ValueError, r"`matrix` must not be empty. Received: shape=\[4, 0\]"),
    (with_value(np.nan, 3), ValueError, r"`matrix` must be finite. Received: 3 NaN or Inf of 256"),
    (with_value(-np.inf), ValueError, r"`matrix` must be finite. Received: 1 NaN or Inf of 256"),
    (MATRIX + 1j, TypeError, r"`matrix` must hold real numbers. Received: dtype=complex128"),
    ([["a"]], TypeError, r"`matrix` must hold real numbers. Received: dtype=<U1"),
    ([[1, 2], [3]], TypeError, r"`matrix` must be an array of numbers. Received: list"),
    (None, TypeError, r"`matrix` must hold real numbers. Received: dtype=object"),
]


@pytest.mark.parametrize(("matrix", "error", "message"), MATRICES)
def test_matrix(matrix, error, message):
    check(message, error, quantize, matrix)
    check(message, error, relative_error, matrix, CODES)


ARGUMENTS = [
    ({"bits": 0}, ValueError, r"`bits` must be an integer from 1 to 8. Received: bits=0"),
    ({"bits": 9}, ValueError, r"`bits` must be an integer from 1 to 8. Received: bits=9"),
    ({"bits": 2.5}, ValueError, r"`bits` must be an integer from 1 to 8. Received: bits=2.5"),
    ({"group_size": 20}, ValueError, r"`group_size` must be .* Received: group_size=20"),
    ({"offset": 1}, TypeError, r"`offset` must be True or False. Received: offset=1"),
    ({"solver": "best"}, ValueError, r"`solver` must be one of .* Received: solver='best'"),
    ({"scale_dtype": "int8"}, ValueError, r"`scale_dtype` must be .* scale_dtype='int8'"),
    ({"effort": "high"}, ValueError, r"`effort` must be one of .* Received: effort='high'"),
    ({"effort": None}, ValueError, r"`effort` must be one of .* Received: effort=None"),
    ({"effort": "warm"}, ValueError, r"`effort`='warm' needs `start`.* Received: None"),
    (
        {"importance": np.ones((4, 63))},
        ValueError,
        r"`importance` must have the shape of `matrix`, \[4, 64\]. Received: shape=\[4, 63\]",
    ),
    (
        {"importance": with_value(-1, 256)},
        ValueError,
        r"`importance` must be non-negative. Received: 256 negative values",
    ),
    (
        {"importance": with_value(np.nan)},
        ValueError,
        r"`importance` must be finite. Received: 1 NaN or Inf",
    ),
    (
        {"importance": "h"},
        TypeError,
        r"`importance` must hold real numbers. Received: dtype=<U1",
    ),
    ({"start": MATRIX}, TypeError, r"`start` must be a BinaryCodes. Received: ndarray"),
    (
        {"start": quantize(MATRIX[:3], 2)},
        ValueError,
        r"`start` must have the shape of `matrix`, \[4, 64\]. Received: shape=\[3, 64\]",
    ),
    ({"start": quantize(MATRIX, 1)}, ValueError, r"`start` must have bits=2, .* Received: bits=1"),
    (
        {"start": quantize(MATRIX, 2, 32)},
        ValueError,
        r"`start` must have .* Received: bits=2, group_size=32, offset=False",
    ),
    (
        {"start": quantize(MATRIX, 2, offset=True)},
        ValueError,
        r"`start` must have .* Received: bits=2, group_size=None, offset=True",
    ),
    ({"start": ragged()}, ValueError, r"`start` must have the same bits in all rows"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS)
def test_arguments(arguments, error, message):
    check(message, error, quantize, MATRIX, **{"bits": 2, **arguments})


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("solver", ["alternating", "greedy", "uniform"])
@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("magnitude", "scale_dtype", "limit"),
    [
        (1e6, "float16", r"hold scales up to 65504 only"),
        (1e6, "e5m4", r"hold scales up to 63488 only"),
        (1e-6, "e5m4", r"resolve scales to 3.8147e-06 only"),
        (1e-30, "float16", r"resolve scales to 5.96046e-08 only"),
        (1e-7, "float16", r"resolve scales to 5.96046e-08 only"),
        (1e300, "float32", r"hold scales up to 3.40282e\+38 only"),
        (1e-300, "float32", r"resolve scales to 1.4013e-45 only"),
    ],
)
def test_magnitudes_that_the_scales_cannot_hold(
    magnitude, scale_dtype, limit, bits, solver, offset
):
    message = f"`scale_dtype`='{scale_dtype}' can {limit}. Received: a matrix with magnitudes up to"
    arguments = {"offset": offset, "solver": solver, "scale_dtype": scale_dtype}
    check(message, ValueError, quantize, MATRIX * magnitude, bits, **arguments)


def test_codes():
    message = "`codes` must be a BinaryCodes. Received: list"
    check(message, TypeError, relative_error, MATRIX, [])
    check(
        r"`codes` must have the shape of `matrix`, \[3, 64\]. Received: shape=\[4, 64\]",
        ValueError,
        relative_error,
        MATRIX[:3],
        CODES,
    )
