"""`short`: a value as an error message shows it, whatever it is and however large."""

from __future__ import annotations

import itertools

MOST_SHOWN = 120  # characters
_MOST_BITS = 1000  # of an integer
_MOST_PARTS = 8  # of a container
_BRACKETS = {list: "[]", tuple: "()", dict: "{}"}


def short(value) -> str:
    """`repr(value)` on one line, of a bounded length, for values out of a file.

    Of strings and containers no more than is shown is looked at.
    """
    text = _start_of_repr(value, depth=3)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _start_of_repr(value, depth: int) -> str:
    kind = type(value)
    if kind in (str, bytes):
        return repr(value[:MOST_SHOWN])
    if value is None or kind in (bool, float) or (kind is int and value.bit_length() <= _MOST_BITS):
        return repr(value)
    if kind is int or (kind in _BRACKETS and value and not depth):
        return f"<{kind.__name__}>"
    if kind not in _BRACKETS:
        return repr(value)
    shown = list(itertools.islice(value.items() if kind is dict else value, _MOST_PARTS))
    texts = [
        ": ".join(_start_of_repr(part, depth - 1) for part in (item if kind is dict else (item,)))
        for item in shown
    ]
    if len(value) > len(shown):
        texts.append("...")
    begin, end = _BRACKETS[kind]
    comma = "," if kind is tuple and len(value) == 1 else ""
    return f"{begin}{', '.join(texts)}{comma}{end}"
