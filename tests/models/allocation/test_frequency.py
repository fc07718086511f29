"""Bits by frequency: the averages that Chung and Kim publish."""

import numpy as np
import pytest

from bcq_tf import bits_by_frequency


def digits(text):
    return np.array([int(digit) for digit in text])


@pytest.mark.parametrize(("ratio", "average"), [(1, 2.5), (2, 1.73), (4, 1.32), (8, 1.14)])
def test_the_averages_are_the_published_ones(ratio, average):
    counts = np.random.default_rng(0).zipf(1.3, 30000)
    assert digits(bits_by_frequency(counts, ratio=ratio)).mean() == pytest.approx(average, abs=0.01)


def test_frequent_words_have_no_fewer_bits():
    counts = np.random.default_rng(0).integers(0, 50, 1000)
    row_bits = digits(bits_by_frequency(counts, (3, 2, 1), 1.5))
    order = np.argsort(-counts, kind="stable")
    assert (np.diff(row_bits[order]) <= 0).all()
    assert set(row_bits) == {1, 2, 3}


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows(rows):
    assert len(bits_by_frequency(np.ones(rows))) == rows


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "`counts` must be non-negative numbers"),
        (([[1, 2]],), "`counts` must be non-negative numbers"),
        (([1, -1],), "`counts` must be non-negative numbers"),
        (([np.nan],), "`counts` must be non-negative numbers"),
        (([1], (0,)), "`bits` must be an integer from 1 to 8"),
        (([1], ()), "`bits` must be of one cluster"),
        (([1], (2,), 0), "`ratio` must be a positive number"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        bits_by_frequency(*arguments)
    assert "\n" not in str(error.value)
