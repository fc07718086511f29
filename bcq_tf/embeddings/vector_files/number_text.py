"""Numbers in text, quickly: each step of the reading is done for all numbers of a text at once."""

from __future__ import annotations

import numpy as np

_PLAIN = b"0123456789+-.eE \n"
_PAD = b"\n" * 16  # so that sixteen characters stand before every number's end
_AT_ONCE = 6000  # numbers whose arrays stay in the cache, and in memory that is there already
_MOST_DIGITS = 15  # which float64 holds exactly
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)
_EIGHT = 8  # digits in a uint64


def parse_rows(rows: list[bytes], columns: int) -> np.ndarray | None:
    """Numbers in rows of text, float32 [n, columns]: those that `float` gives, rounded.

    Args:
        rows: numbers with single blanks between them, without line ends.
        columns: how many each row should have.

    Returns:
        The numbers; None where a row has others than plain ones, or more or fewer: `parse_row`
        tells of which.
    """
    result = np.empty((len(rows), columns), np.float32)
    step = max(1, _AT_ONCE // columns)
    for begin in range(0, len(rows), step):
        part = result[begin : begin + step]
        text = b"\n".join(rows[begin : begin + step])
        numbers = None if text.translate(None, _PLAIN) else _parse(text)
        # No row has more, as each has `columns` - 1 blanks at most; so all have as many.
        if numbers is None or numbers.size != part.size:
            return None
        part[:] = numbers.reshape(part.shape)
    return result


def parse_row(row: bytes) -> np.ndarray:
    """Numbers with white space between them, float32 [n].

    Raises:
        ValueError: one is no number; the message names it.
    """
    numbers = []
    for field in row.split():
        try:
            numbers.append(float(field))
        except ValueError:
            raise ValueError(f"{field[:40].decode('utf-8', 'replace')!r} is no number") from None
    return _float32(np.array(numbers, np.float64))


def _parse(text: bytes) -> np.ndarray | None:
    # float32 of the fields between single blanks or line ends; None where one is no number.
    padded = _PAD + text + b"\n"
    characters = np.frombuffer(padded, np.uint8)
    ends = np.flatnonzero(characters[len(_PAD) :] <= ord(" ")) + len(_PAD)
    begins = np.concatenate([[len(_PAD)], ends[:-1] + 1])
    points = ends.copy()
    found = np.flatnonzero(characters == ord("."))
    points[np.searchsorted(ends, found)] = found
    first = characters[begins]
    negative = first == ord("-")
    whole_digits = points - begins - (negative | (first == ord("+")))
    fraction_digits = np.maximum(ends - points - 1, 0)
    digits = whole_digits + fraction_digits
    whole, simple = _integers(padded, points, whole_digits)
    fraction, simple_too = _integers(padded, ends, fraction_digits)
    simple &= simple_too & (digits > 0) & (digits <= _MOST_DIGITS)
    power = _POWERS[np.minimum(fraction_digits, _MOST_DIGITS)]
    values = (whole * power + fraction) / power  # rounded once, as the sum is exact
    np.negative(values, out=values, where=negative)
    for number in np.flatnonzero(~simple):  # with an exponent, mostly
        try:
            values[number] = float(padded[begins[number] : ends[number]])
        except ValueError:
            return None
    return _float32(values)


def _integers(padded: bytes, ends: np.ndarray, digits: np.ndarray):
    # The integers of so many digits, at most 16, before `ends`; and which of them are ones.
    values, simple = _eight_digits(padded, ends, np.minimum(digits, _EIGHT))
    if digits.max() > _EIGHT:
        more, simple_too = _eight_digits(padded, ends - _EIGHT, np.maximum(digits - _EIGHT, 0))
        values += more * 10**_EIGHT
        simple &= simple_too & (digits <= 2 * _EIGHT)
    return values.astype(np.float64), simple


def _eight_digits(padded: bytes, ends: np.ndarray, digits: np.ndarray):
    # As `_integers`, for at most 8 digits, all in one uint64 whose last byte is the last digit.
    eights = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))[ends - _EIGHT]
    used = ~np.uint64(0) << (8 * (_EIGHT - digits)).astype(np.uint64)
    values = (eights ^ np.uint64(0x3030303030303030)) & used
    beyond_nine = (values + np.uint64(0x7676767676767676)) | values
    simple = beyond_nine & np.uint64(0x8080808080808080) == 0
    # Neighbours to pairs, pairs to fours, fours to eight: one multiplication each.
    values = values * np.uint64(10) + (values >> np.uint64(8))
    low, high = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)
    pairs = np.uint64(0x000000FF000000FF)
    values = (values & pairs) * low + ((values >> np.uint64(16)) & pairs) * high
    return values >> np.uint64(32), simple


def _float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # to Inf, which the caller refuses
        return values.astype(np.float32)
