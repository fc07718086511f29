"""How each kind of value stands in a `.bcq.npy` file: an entry of the document, and tensors.

Of codes the entry has the facts that their class declares, `rows`, the rows of each of its pieces,
and whether there is each array that there need not be; "compact" for each array that a smaller one
stands for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bcq_tf.codes import CodedMatrix
from bcq_tf.codes.kinds import KINDS, is_codes
from bcq_tf.config import MAX_BITS
from bcq_tf.files import container
from bcq_tf.files.container import FileFormatError
from bcq_tf.shown import short

Value = CodedMatrix | np.ndarray

_COMPACT = "compact"
_NAMES = {"binary": "codes"}  # kinds that files call otherwise: the format began with one


def take_apart(name: str, value) -> tuple[dict, dict[str, Sequence[np.ndarray]]]:
    """The value's entry in the document, and its tensors by name, each in pieces along axis 0.

    Raises:
        TypeError, ValueError: there is no form for the value.
    """
    if not is_codes(value):
        return {"kind": "array"}, {name: [_storable(name, value)]}
    tensors, rows, compact = {}, {}, value.compact()
    for part, array in value.ARRAYS.items():
        whole = array.named(part, getattr(value, part)).values()
        given = [compact[part]] if part in compact else whole
        pieces = [_storable(name, piece) for piece in given]
        if len({piece.dtype for piece in pieces}) > 1:
            raise ValueError(f"`{part}` must be of one dtype. Received: several (weight '{name}')")
        if pieces:
            tensors[f"{name}/{part}"] = pieces
        if array.pieces:
            rows = {"rows": [len(piece) for piece in whole]}
    facts = {fact: getattr(value, fact) for fact in value.FACTS}
    present = {part: getattr(value, part) is not None for part in _optional(type(value))}
    present |= dict.fromkeys(compact, _COMPACT)
    return {"kind": _NAMES.get(value.KIND, value.KIND)} | facts | rows | present, tensors


def put_together(name: str, entry, parts: dict[str, np.ndarray]) -> Value:
    """The inverse of `take_apart`; takes the tensors out of `parts`, so that none serves twice.

    Raises:
        FileFormatError: they make no value.
    """
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind == "array":
        return _take(parts, name)
    kinds = {_NAMES.get(kind, kind): cls for kind, cls in KINDS.items()}
    if not isinstance(kind, str) or kind not in kinds:
        raise FileFormatError(f"weight {short(name)} is of the unknown kind {short(kind)}")
    try:
        return _codes(name, entry, kinds[kind], parts)
    except FileFormatError:
        raise
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"weight {short(name)}: {str(error)[:300]}") from None


def _codes(name: str, entry: dict, cls: type[CodedMatrix], parts: dict) -> CodedMatrix:
    rows = entry.get("rows")
    optional = {*_optional(cls), *(part for part in cls.ARRAYS if entry.get(part) == _COMPACT)}
    has_pieces = any(array.pieces for array in cls.ARRAYS.values())
    keys = {"kind", *cls.FACTS, *optional, *(["rows"] if has_pieces else [])}
    present = all(_is_present(entry.get(part)) for part in optional)
    if set(entry) != keys or not present or (has_pieces and not _are_rows(rows)):
        raise FileFormatError(f"weight {short(name)} has an entry that breaks the format")
    values = {fact: entry[fact] for fact in cls.FACTS}
    for part, array in cls.ARRAYS.items():
        if entry.get(part, True):
            tensor = _take(parts, f"{name}/{part}")
            if entry.get(part) == _COMPACT:
                tensor = cls.expand(part, tensor, rows)
            values[part] = _split(tensor, rows) if array.pieces else tensor
        else:
            values[part] = None
    return cls(**values)


def _is_present(value) -> bool:
    return isinstance(value, bool) or value == _COMPACT


def _are_rows(rows) -> bool:
    return (
        isinstance(rows, list)
        and 1 <= len(rows) <= MAX_BITS
        and all(type(n) is int and n >= 0 for n in rows)
    )


def _optional(cls: type[CodedMatrix]) -> list[str]:
    return [part for part, array in cls.ARRAYS.items() if array.optional]


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
