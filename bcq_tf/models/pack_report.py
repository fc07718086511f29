"""What `pack_model` made of each weight, as a value and as a table."""

from __future__ import annotations

import dataclasses
import json
import math

import keras

from bcq_tf._keras import walk_layers
from bcq_tf.layers.kinds.coded_weight import item_bytes
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.reports.listing import as_text, float_listing, listing, times
from bcq_tf.reports.report import SkippedWeight


@dataclasses.dataclass(frozen=True)
class PackedLine:
    """A weight that is computed with from its codes.

    Args:
        path: of the layer and the weight.
        shape: of the float weight.
        bits: of a code: of a value of a uniform table, of the index of a compositional one; of
            binary codes the number of planes. Scales and codebooks are not counted: `nbytes` is.
        nbytes: of the codes in memory.
        float_nbytes: of the float weight that is gone.
    """

    path: str
    shape: tuple[int, ...]
    bits: int
    nbytes: int
    float_nbytes: int


@dataclasses.dataclass(frozen=True)
class PackReport:
    """What a packed model holds in memory.

    Attributes:
        packed: the weights that are codes.
        dequantized: the weights that were to be packed and stay float, with the reason.
        floats: the other weights, without one: biases, normalization, what was never quantized.

    `print(report)` lists the first two; `to_dict()` is for machines.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.pack_model(model, bcq_tf.quantize_model(model, bits=2).codes)
        >>> [line.path for line in report.packed], [line.path for line in report.floats]
        (['sequential/dense/kernel'], ['sequential/dense/bias'])
    """

    packed: tuple[PackedLine, ...]
    dequantized: tuple[SkippedWeight, ...]
    floats: tuple[SkippedWeight, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all weights of the model."""
        return sum(line.nbytes for line in (*self.packed, *self.dequantized, *self.floats))

    @property
    def float_nbytes(self) -> int:
        """Bytes of all weights of the float model."""
        floats = sum(line.nbytes for line in (*self.dequantized, *self.floats))
        return sum(line.float_nbytes for line in self.packed) + floats

    @classmethod
    def of(cls, model, dequantized: dict[int, str]) -> PackReport:
        """The report of a packed model.

        dequantized: {id of a variable: the reason why it is float}.
        """
        packed, parts = [], set()
        for layer in walk_layers(model):
            for name in layer.packed_weights if isinstance(layer, PackedLayer) else ():
                own = {id(variable) for variable in layer.parts_of(name).values()}
                if not own & parts:
                    packed.append(_packed_line(layer, name))
                parts |= own
        others = [
            _float_line(variable, dequantized.get(id(variable)))
            for variable in model.weights
            if id(variable) not in parts
        ]
        named = tuple(line for line in others if line.reason)
        return cls(tuple(packed), named, tuple(line for line in others if not line.reason))

    def to_dict(self) -> dict:
        """The report as JSON-able data."""
        lines = json.loads(json.dumps(dataclasses.asdict(self)))
        return lines | {"nbytes": self.nbytes, "float_nbytes": self.float_nbytes}

    def __rich__(self):
        from rich.console import Group

        rows = (
            (
                line.path,
                times(line.shape),
                str(line.bits),
                f"{line.nbytes:,}",
                f"{line.float_nbytes:,}",
            )
            for line in self.packed
        )
        columns = "weight", "shape", "bits", "bytes", "float bytes"
        shown = [listing("Packed", *columns, rows=rows)]
        if self.dequantized:
            shown.append(float_listing("Float in memory", self.dequantized))
        return Group(*shown, _totals(self))

    def __str__(self) -> str:
        return as_text(self)


def _packed_line(layer: PackedLayer, name: str) -> PackedLine:
    weight = layer.packed_weights[name]
    return PackedLine(
        f"{layer.path}/{name}",
        weight.view.shape,
        weight.bits,
        weight.nbytes,
        weight.float_nbytes(layer.variable_dtype),
    )


def _float_line(variable: keras.Variable, reason: str | None) -> SkippedWeight:
    shape = tuple(variable.shape)
    nbytes = math.prod(shape) * item_bytes(variable.dtype)
    return SkippedWeight(variable.path, shape, nbytes, reason)


def _totals(report: PackReport) -> str:
    return (
        f"{len(report.packed)} weights packed, {len(report.dequantized)} stay float as told, "
        f"{len(report.floats)} were never to be packed. The model takes {report.nbytes:,} bytes, "
        f"{report.float_nbytes / report.nbytes:.1f} times less than float."
    )
