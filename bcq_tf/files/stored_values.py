"""How each kind of value stands in a `.bcq.npy` file: an entry of the document, and tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bcq_tf.codes import BinaryCodes, CompositionalCodes, UniformCodes
from bcq_tf.config import MAX_BITS
from bcq_tf.files import container
from bcq_tf.files.container import FileFormatError
from bcq_tf.shown import short

Value = BinaryCodes | UniformCodes | CompositionalCodes | np.ndarray


def take_apart(name: str, value) -> tuple[dict, dict[str, Sequence[np.ndarray]]]:
    """The value's entry in the document, and its tensors by name, each in pieces along axis 0.

    Raises:
        TypeError, ValueError: there is no form for the value.
    """
    for kind, (values, entry_of, _) in _KINDS.items():
        if isinstance(value, values):
            entry, pieces = entry_of(name, value)
            named = {f"{name}/{part}": arrays for part, arrays in pieces.items()}
            return {"kind": kind} | entry, named
    return {"kind": "array"}, {name: [_storable(name, value)]}


def put_together(name: str, entry, parts: dict[str, np.ndarray]) -> Value:
    """The inverse of `take_apart`; takes the tensors out of `parts`, so that none serves twice.

    Raises:
        FileFormatError: they make no value.
    """
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind == "array":
        return _take(parts, name)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise FileFormatError(f"weight {short(name)} is of the unknown kind {short(kind)}")
    value_of = _KINDS[kind][2]
    try:
        return value_of(entry, lambda part: _take(parts, f"{name}/{part}"))
    except _EntryError:
        raise FileFormatError(f"weight {short(name)} has an entry that breaks the format") from None
    except FileFormatError:
        raise
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"weight {short(name)}: {str(error)[:300]}") from None


class _EntryError(Exception):
    """An entry of the document has other keys or values of other types than its kind has."""


def _binary_entry(name: str, codes: BinaryCodes) -> tuple[dict, dict]:
    if len({scale.dtype for scale in codes.scales}) > 1:
        raise ValueError(f"`scales` must be of one dtype. Received: several (weight '{name}')")
    entry = {
        "columns": int(codes.columns),
        "group_size": None if codes.group_size is None else int(codes.group_size),
        "rows": [len(plane) for plane in codes.planes],
        "offset": codes.offset is not None,
        "row_order": codes.row_order is not None,
    }
    pieces = {"planes": codes.planes, "scales": [_storable(name, s) for s in codes.scales]}
    present = [part for part in ("offset", "row_order") if entry[part]]
    return entry, pieces | {part: [_storable(name, getattr(codes, part))] for part in present}


def _binary_value(entry: dict, take) -> BinaryCodes:
    rows, group_size = entry.get("rows"), entry.get("group_size")
    legal = (
        set(entry) == {"kind", "columns", "group_size", "rows", "offset", "row_order"}
        and type(entry["columns"]) is int
        and (group_size is None or type(group_size) is int)
        and isinstance(rows, list)
        and 1 <= len(rows) <= MAX_BITS
        and all(type(n) is int and n >= 0 for n in rows)
        and isinstance(entry["offset"], bool)
        and isinstance(entry["row_order"], bool)
    )
    if not legal:
        raise _EntryError
    return BinaryCodes(
        _split(take("planes"), rows),
        _split(take("scales"), rows),
        entry["columns"],
        group_size,
        take("offset") if entry["offset"] else None,
        take("row_order") if entry["row_order"] else None,
    )


def _uniform_entry(name: str, codes: UniformCodes) -> tuple[dict, dict]:
    entry = {
        "bits": int(codes.bits),
        "columns": int(codes.columns),
        "limit": float(codes.limit),
        "zero_rows": codes.zero_rows is not None,
    }
    return entry, {part: [array] for part, array in codes.arrays().items()}


def _uniform_value(entry: dict, take) -> UniformCodes:
    legal = (
        set(entry) == {"kind", "bits", "columns", "limit", "zero_rows"}
        and type(entry["bits"]) is int
        and type(entry["columns"]) is int
        and type(entry["limit"]) is float
        and isinstance(entry["zero_rows"], bool)
    )
    if not legal:
        raise _EntryError
    zero_rows = take("zero_rows") if entry["zero_rows"] else None
    return UniformCodes(take("packed"), entry["limit"], entry["bits"], entry["columns"], zero_rows)


def _compositional_entry(name: str, codes: CompositionalCodes) -> tuple[dict, dict]:
    return {}, {part: [array] for part, array in codes.arrays().items()}


def _compositional_value(entry: dict, take) -> CompositionalCodes:
    if set(entry) != {"kind"}:
        raise _EntryError
    return CompositionalCodes(take("packed"), take("codebooks"))


# By the word in the document: the class, value -> (entry, pieces), and (entry, tensors) -> value.
_KINDS = {
    "codes": (BinaryCodes, _binary_entry, _binary_value),
    "uniform": (UniformCodes, _uniform_entry, _uniform_value),
    "compositional": (CompositionalCodes, _compositional_entry, _compositional_value),
}


def _storable(name: str, value) -> np.ndarray:
    array = np.asarray(value)
    if container.dtype_code(array.dtype) is None:
        raise TypeError(
            "`tensors` must hold codes and arrays of floating, integer or boolean dtype. "
            f"Received: {type(value).__name__} of dtype {array.dtype} (weight '{name}')"
        )
    return array


def _take(parts: dict, name: str) -> np.ndarray:
    if name not in parts:
        raise FileFormatError(f"tensor {short(name)} is missing")
    return parts.pop(name)


def _split(tensor: np.ndarray, rows: list[int]) -> tuple[np.ndarray, ...]:
    if tensor.ndim != 2 or len(tensor) != sum(rows):
        raise ValueError(f"the planes' rows do not add up to {list(tensor.shape)}")
    return tuple(np.split(tensor, np.cumsum(rows[:-1])))
