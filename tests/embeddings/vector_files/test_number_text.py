"""Numbers in text: what `float` makes of them, rounded to float32."""

import numpy as np
import pytest

from bcq_tf.embeddings.vector_files.text import parse_numbers

FORMATS = ("%.9g", "%.17g", "%.5g", "%.6f", "%f", "%.12f", "%d", "%+.3e", "%.18e", "%.7E", "%.30f",
           "%.0f", "%r")  # fmt: skip


def slowly(rows: list[bytes]) -> np.ndarray:
    return np.array([[float(field) for field in row.split()] for row in rows]).astype(np.float32)


@pytest.mark.parametrize("pattern", FORMATS)
def test_numbers_as_printf_writes_them(pattern):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((400, 31)) * 10.0 ** rng.integers(-12, 12, (400, 31))
    rows = [" ".join(pattern % value for value in row).encode() for row in values.tolist()]
    np.testing.assert_array_equal(parse_numbers(rows, 31), slowly(rows))


@pytest.mark.parametrize("seed", range(3))
def test_the_shortest_text_of_a_float32_gives_it_back(seed):
    bits = np.random.default_rng(seed).integers(0, 1 << 32, 30_000, np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    found = parse_numbers(values.astype("S16").tolist(), 1)
    np.testing.assert_array_equal(found[:, 0], values)


@pytest.mark.parametrize("pattern", ["%.17g", "%.23e", "%.60g"])
def test_numbers_beside_the_middle_of_two_float32(pattern):
    bits = np.random.default_rng(0).integers(0, 0x7F7FFFFF, 5000).astype(np.uint32)
    low, high = (part.view(np.float32).astype(np.float64) for part in (bits, bits + np.uint32(1)))
    near = np.concatenate([(low + high) / 2 * (1 + step * 2.0**-52) for step in (-1, 0, 1)])
    rows = [(pattern % value).encode() for value in near.tolist()]
    np.testing.assert_array_equal(parse_numbers(rows, 1), slowly(rows))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text",
    ["0", "-0", "-0.0", "1.", ".5", "-.5", "+.5", "0.1", "123456789.125", "0.000000000000001",
     "123456789012345.5", "12345678901234567890", "0000000000000000001.50", "1e5", "1E-5", "1.5e+3",
     "0.12345678901234567890", "99999999", "100000000", "16777217", "1.17549435e-38", "1e-46",
     "1e-400", "-1e-400", "1e39", "-1e400", "0e999999999", "1e00000000000000000000000000007",
     "0." + "0" * 40 + "1e41", "9" * 30 + "e-29", "1E+05", "-inf", "nan"],
)  # fmt: skip
def test_numbers_of_every_length(text):
    found = parse_numbers([b"1.5", text.encode()], 1)[1]
    with np.errstate(over="ignore"):
        expected = np.float64(float(text)).astype(np.float32)
    assert found.tobytes() == expected.tobytes()  # signs of 0 too


@pytest.mark.parametrize(
    "text",
    ["-", ".", "+-1", "1-2", "--1", "1..2", "1.2.3", "e5", "1e", "x", "0x1", "1_0", "1e2.5", "١",
     "1e2e3", "1e+-2", "1e1_0", "e", "1.e", ".e1", "+e1", "1,5", "0x10", "1\xa02", "1\x1c2"],
)  # fmt: skip
def test_what_is_no_number_is_named(text):
    with pytest.raises(ValueError, match=r" is no number$") as raised:
        parse_numbers([b"1 1.5", f"2 {text}".encode()], 2)
    assert str(raised.value) == f"{text!r} is no number"


@pytest.mark.parametrize("row", [b"1  2 3", b"1 2 3 ", b" 1 2 3", b"1\t2 3", b"1 2\r 3\x0b"])
def test_numbers_with_any_white_space_between_them(row):
    found = parse_numbers([b"4 5 6", row], 3)
    np.testing.assert_array_equal(found, [[4, 5, 6], [1, 2, 3]])


@pytest.mark.parametrize("row", ["", "1 2", "1 2 3 4"])
def test_rows_must_have_as_many_numbers(row):
    message = f"^the word must have 3 numbers. Received: {len(row.split())}$"
    for rows in ([row], ["1 2 3", row], [row, "1 2 3"], [row, row]):
        with pytest.raises(ValueError, match=message):
            parse_numbers([row.encode() for row in rows], 3)
