"""Numbers in text, quickly: each step of the reading is done for all numbers of a text at once."""

from __future__ import annotations

import numpy as np

_PLAIN = b"0123456789+-.eE \n"
_MOST_DIGITS = 24  # before the point, and after it
_PAD = b"\n" * _MOST_DIGITS  # so that as many characters stand before every number's end
_AT_ONCE = 6000  # numbers whose arrays stay in the cache, and in memory that is there already
_EIGHT = 8  # digits in a uint64
_LAST_POWER = 300  # of ten
_POWERS = np.array([float(f"1e{n}") for n in range(-_LAST_POWER, _LAST_POWER + 1)])
_ERROR = 2.0**-49  # more than the eight roundings of a number in `_parse` come to


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


@np.errstate(over="ignore")  # to Inf, which the caller refuses
def parse_row(row: bytes) -> np.ndarray:
    """Numbers with white space between them, float32 [n].

    Raises:
        ValueError: one is no number; the message names it.
    """
    numbers = []
    for field in row.split():
        try:
            if b"_" in field:  # which `float` takes for Python's sake
                raise ValueError
            numbers.append(float(field))
        except ValueError:
            raise ValueError(f"{field[:40].decode('utf-8', 'replace')!r} is no number") from None
    return np.array(numbers, np.float64).astype(np.float32)


@np.errstate(over="ignore")  # to Inf, which the caller refuses
def _parse(text: bytes) -> np.ndarray | None:
    # float32 of the fields between single blanks or line ends; None where one is no number.
    padded = _PAD + text + b"\n"
    characters = np.frombuffer(padded, np.uint8)
    ends = np.flatnonzero(characters[len(_PAD) :] <= ord(" ")) + len(_PAD)
    begins = np.concatenate([[len(_PAD)], ends[:-1] + 1])
    tails, exponents, simple = ends, np.int64(0), True
    if b"e" in text or b"E" in text:
        tails, exponents, simple = _exponents(padded, characters, ends)
    points = tails.copy()
    found = np.flatnonzero(characters == ord("."))
    points[_owners(found, ends)] = found
    negative, signed = _signs(characters, begins)
    whole_digits = points - begins - signed
    fraction_digits = np.maximum(tails - points - 1, 0)
    whole, whole_simple = _integers(padded, points, whole_digits)
    fraction, fraction_simple = _integers(padded, tails, fraction_digits)
    simple &= whole_simple & fraction_simple & (whole_digits + fraction_digits > 0)
    values = whole * _power(exponents) + fraction * _power(exponents - fraction_digits)
    result = (values * (1 - _ERROR)).astype(np.float32)
    # Both ends of where the exact value may be are one float32, so `float` leads to it too.
    simple &= result == (values * (1 + _ERROR)).astype(np.float32)
    result *= np.where(negative, np.float32(-1), np.float32(1))  # -0.0 too
    for number in np.flatnonzero(~simple):  # rarely one that is right
        try:
            result[number] = float(padded[begins[number] : ends[number]])
        except ValueError:
            return None
    return result


def _exponents(padded: bytes, characters: np.ndarray, ends: np.ndarray):
    # Where the digits of numbers end, their exponents, and whether those are small integers.
    marks = np.flatnonzero((characters | 32) == ord("e"))
    numbers = _owners(marks, ends)
    negative, signed = _signs(characters, marks + 1)
    digits = ends[numbers] - marks - 1 - signed
    sizes, found = _integers(padded, ends[numbers], digits)
    tails, exponents, simple = ends.copy(), np.zeros_like(ends), np.ones(len(ends), bool)
    tails[numbers] = marks
    exponents[numbers] = np.where(negative, -sizes, sizes)
    simple[numbers] = found & (digits > 0) & (sizes <= _LAST_POWER - _MOST_DIGITS)
    return tails, exponents, simple


def _owners(marks: np.ndarray, ends: np.ndarray):
    # An index of the numbers that marks stand in; found faster where each number has one.
    if len(marks) == len(ends) and np.all(marks < ends) and np.all(marks[1:] > ends[:-1]):
        return slice(None)
    return np.searchsorted(ends, marks)


def _signs(characters: np.ndarray, begins: np.ndarray):
    # Which numbers begin with "-", and which with that or "+".
    first = characters[begins]
    negative = first == ord("-")
    return negative, negative | (first == ord("+"))


def _power(exponents: np.ndarray) -> np.ndarray:
    # Of ten; another where an exponent is beyond the table.
    return _POWERS.take(exponents + _LAST_POWER, mode="clip")


def _integers(padded: bytes, ends: np.ndarray, digits: np.ndarray):
    # The integers of so many digits before `ends`, float64; and which of them are ones.
    values, simple = _eight_digits(padded, ends, np.minimum(digits, _EIGHT))
    values = values.astype(np.float64)
    for seen in range(_EIGHT, min(int(digits.max()), _MOST_DIGITS), _EIGHT):
        left = np.clip(digits - seen, 0, _EIGHT)
        more, more_simple = _eight_digits(padded, ends - seen, left)
        values += more * 10.0**seen
        simple &= more_simple
    return values, simple & (digits <= _MOST_DIGITS)


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
