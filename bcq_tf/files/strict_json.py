"""JSON that comes back as it went in: string keys, each once; finite numbers; bounded nesting."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

MAX_DEPTH = 200
# What a value takes in memory, in bytes, by the sign that begins or follows it. A text may take
# `RATIO` times its length and `FREE` beside, but no more than `MOST`: about ten times what the
# largest models of Keras need.
COSTS = {"{": 240, "[": 64, ",": 64, ":": 64}
RATIO, FREE, MOST = 16, 4 << 20, 64 << 20


def dumps(value) -> str:
    """`value` as compact JSON text. It must have passed `check` where it comes from outside."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def loads(text: str | bytes):
    """The value of JSON text that may be hostile.

    Raises:
        ValueError: not JSON, a key that appears twice in one object, NaN or an infinity, nesting
            too deep, more values than a text of the length should have.
    """
    check_cost(text)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def check_cost(text: str | bytes) -> None:
    """Raises ValueError where the values of a JSON text would take far more memory than it does."""
    signs = COSTS if isinstance(text, str) else {sign.encode(): n for sign, n in COSTS.items()}
    cost = sum(text.count(sign) * bytes_each for sign, bytes_each in signs.items())
    if cost > min(RATIO * len(text) + FREE, MOST):
        raise ValueError(f"{len(text)} bytes of it hold too many values")


def check(value, where: str, depth: int = MAX_DEPTH) -> None:
    """Raises unless `loads(dumps(value))` is `value` again (tuples come back as lists).

    Args:
        value: anything; dicts, lists, tuples, strings, numbers, booleans and None may pass.
        where: what to call the value in an error, for example "`metadata`".
        depth: how many more levels of nesting are allowed.

    Raises:
        TypeError: a type that JSON lacks, or a key that is not a string.
        ValueError: NaN or an infinity, nesting too deep.
    """
    if depth < 0:
        raise ValueError(f"{where[:80]} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} must have strings as keys. Received: {key!r}")
            check(item, f"{where}[{key!r}]", depth - 1)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            check(item, f"{where}[{i}]", depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} must be finite. Received: {value!r}")
    elif value is not None and not isinstance(value, (str, int, float)):
        kind = type(value).__name__
        hint = " (make it a dict)" if isinstance(value, Mapping) else ""
        raise TypeError(f"{where} must be a value that JSON has. Received: {kind}{hint}")


def _unique(pairs: list) -> dict:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value
