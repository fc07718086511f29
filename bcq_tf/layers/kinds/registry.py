"""The kinds of codes that layers keep, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bcq_tf.codes import CodedMatrix, MatrixView
from bcq_tf.codes.kinds import not_codes
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.shown import short

EMBEDDINGS: dict[str, type] = {}
"""By kind of codes the embedding layer, whose `WEIGHT` is how all layers keep such codes."""


def register(cls: type) -> type:
    """Makes a subclass of `PackedEmbedding` the one for tables of its kind of codes."""
    EMBEDDINGS[cls.WEIGHT.CODES.KIND] = cls
    return cls


def check_codes(codes, where: str = "") -> None:
    """Raises TypeError unless layers keep such codes. where: the end of its message."""
    if not isinstance(codes, CodedMatrix) or codes.KIND not in EMBEDDINGS:
        raise not_codes(codes, where)


def weight_of(codes, view: MatrixView, trainable: bool = False) -> CodedWeight:
    """How a layer keeps codes.

    view: how the weight is seen as their matrix.
    trainable: whether the scales of binary codes train, or the codebooks of compositional ones.

    Raises:
        TypeError: layers keep no such codes.
        ValueError: their shape is not that of the view.
    """
    check_codes(codes)
    if codes.shape != view.matrix_shape:
        raise ValueError(
            f"`codes` must be {list(view.matrix_shape)} for a weight of shape {list(view.shape)}. "
            f"Received: {list(codes.shape)}"
        )
    return EMBEDDINGS[codes.KIND].WEIGHT.of(codes, view, trainable)


def weight_from_dict(data) -> CodedWeight:
    """The value of which `data` is the `to_dict()`; such a value is returned as it is.

    Raises:
        TypeError, ValueError: `data` is not such a dict.
    """
    if isinstance(data, CodedWeight):
        return data
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or kind not in EMBEDDINGS:
        raise ValueError(
            f"a packed weight must be a dict of one of the kinds {list(EMBEDDINGS)}. "
            f"Received: {short(data)}"
        )
    return EMBEDDINGS[kind].WEIGHT.from_dict(data)
