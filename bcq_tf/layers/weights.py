"""The ways in which a packed layer keeps a weight, and which one codes take."""

from __future__ import annotations

from bcq_tf.codes import BinaryCodes, CompositionalCodes, MatrixView, UniformCodes
from bcq_tf.layers.compositional_weight import CompositionalWeight
from bcq_tf.layers.float_weight import FloatTable, FloatWeight
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.layers.uniform_weight import UniformWeight

CODES = (BinaryCodes, UniformCodes, CompositionalCodes, FloatTable)
_TABLES = {kind.KIND: kind for kind in (UniformWeight, CompositionalWeight, FloatWeight)}


def weight_of(codes, view: MatrixView, trainable: bool = False) -> PackedWeight | TableWeight:
    """How a layer keeps codes of one of the types `CODES`.

    view: how the weight is seen as their matrix.
    trainable: whether the scales of binary codes train, or the codebooks of compositional ones.

    Raises:
        TypeError: they are of another type.
        ValueError: their shape is not that of the view.
    """
    if not isinstance(codes, CODES):
        raise TypeError(
            "`codes` must be BinaryCodes, UniformCodes or CompositionalCodes. "
            f"Received: {type(codes).__name__}"
        )
    if isinstance(codes, BinaryCodes):
        return PackedWeight.of(codes, view, trainable)
    if isinstance(codes, CompositionalCodes):
        return CompositionalWeight.of(codes, trainable)
    return (UniformWeight if isinstance(codes, UniformCodes) else FloatWeight).of(codes)


def weight_from_dict(data) -> PackedWeight | TableWeight:
    """The value of which `data` is the `to_dict()`; such a value is returned as it is.

    Raises:
        TypeError, ValueError: `data` is not such a dict.
    """
    if isinstance(data, TableWeight):
        return data
    kind = _TABLES.get(data.get("kind")) if isinstance(data, dict) else None
    return kind.from_dict(data) if kind else PackedWeight.from_dict(data)
