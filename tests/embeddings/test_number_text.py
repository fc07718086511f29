"""Numbers in text: what `float` makes of them, rounded to float32."""

import numpy as np
import pytest

from bcq_tf.embeddings.vector_files.number_text import parse_row, parse_rows

FORMATS = ("%.9g", "%.17g", "%.5g", "%.6f", "%f", "%.12f", "%d", "%+.3e", "%.0f", "%r")


def slowly(rows: list[bytes]) -> np.ndarray:
    return np.array([[float(field) for field in row.split()] for row in rows]).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pattern", FORMATS)
def test_numbers_as_printf_writes_them(pattern, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((400, 31)) * 10.0 ** rng.integers(-12, 12, (400, 31))
    rows = [" ".join(pattern % value for value in row).encode() for row in values.tolist()]
    np.testing.assert_array_equal(parse_rows(rows, 31), slowly(rows))
    np.testing.assert_array_equal(parse_row(rows[0]), slowly(rows[:1])[0])


@pytest.mark.parametrize("seed", range(3))
def test_the_shortest_text_of_a_float32_gives_it_back(seed):
    bits = np.random.default_rng(seed).integers(0, 1 << 32, 30_000, np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    found = parse_rows(list(values.astype("S16").tolist()), 1)
    np.testing.assert_array_equal(found[:, 0], values)


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "-0.0", "1.", ".5", "-.5", "+.5", "0.1", "123456789.125", "0.000000000000001",
     "123456789012345.5", "12345678901234567890", "0000000000000000001.50", "1e5", "1E-5", "1.5e+3",
     "0.12345678901234567890", "99999999", "100000000", "16777217", "1.17549435e-38", "1e-46"],
)  # fmt: skip
def test_numbers_of_every_length(text):
    found = parse_rows([text.encode()], 1)
    assert found.tobytes() == np.float32(float(text)).reshape(1, 1).tobytes()  # signs of 0 too


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "+-1", "1-2", "--1", "1..2", "1.2.3", "e5", "1e", "x", "0x1", "1_0", "nan"],
)  # fmt: skip
def test_what_is_no_plain_number_is_left_to_the_slow_way(text):
    assert parse_rows([b"1.5", text.encode()], 1) is None


@pytest.mark.parametrize("row", ["1 2", "1 2 3 4", "1  2 3", "1 2 3 ", " 1 2 3", "1\t2 3"])
def test_rows_must_have_as_many_numbers_with_single_blanks(row):
    assert parse_rows([b"1 2 3", row.encode()], 3) is None


def test_the_slow_way_takes_any_white_space_and_names_what_is_no_number():
    assert parse_row(b" 1\t2.5\r -inf ").tolist() == [1, 2.5, -np.inf]
    with pytest.raises(ValueError, match="^'1,5' is no number$"):
        parse_row(b"1 1,5 2")
