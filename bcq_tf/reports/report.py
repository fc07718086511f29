"""What was quantized, what was not and why, as a value and as text."""

from __future__ import annotations

import dataclasses
import math

from bcq_tf.codes import BinaryCodes
from bcq_tf.files import file
from bcq_tf.files.stored_weights import stored_weights
from bcq_tf.reports.listing import as_text, float_listing, listing, times


@dataclasses.dataclass(frozen=True)
class ChosenWeight:
    """A quantized weight: its path, original shape, codes and relative squared error."""

    path: str
    shape: tuple[int, ...]
    codes: BinaryCodes
    error: float


@dataclasses.dataclass(frozen=True)
class SkippedWeight:
    """A weight that is left as it is, float or codes of a packed embedding: its path, shape, bytes
    and the reason, if one is said."""

    path: str
    shape: tuple[int, ...]
    nbytes: int
    reason: str | None


@dataclasses.dataclass(frozen=True)
class Report:
    """What `quantize_model` and `BCQCallback` did to each weight of a model.

    Attributes:
        chosen: the quantized weights.
        skipped: the weights that are left as they are.
        nbytes: bytes of the file that they make, its header included.
        has_config: whether the file holds the model's Keras config, so that it is enough.

    `print(report)` lists them; `to_dict()` is for machines.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.quantize_model(model, bits=1)
        >>> report.bits_per_weight, report.codes_nbytes, report.float_nbytes
        (1.25, 320, 128)
    """

    chosen: tuple[ChosenWeight, ...]
    skipped: tuple[SkippedWeight, ...]
    nbytes: int
    has_config: bool = True

    @property
    def codes(self) -> dict[str, BinaryCodes]:
        """The codes of the quantized weights by path, as `bcq_tf.pack_model` takes them."""
        return {weight.path: weight.codes for weight in self.chosen}

    @property
    def codes_nbytes(self) -> int:
        """Bytes of all binary codes."""
        return sum(weight.codes.nbytes for weight in self.chosen)

    @property
    def float_nbytes(self) -> int:
        """Bytes of all weights that are left as they are."""
        return sum(weight.nbytes for weight in self.skipped)

    @property
    def original_nbytes(self) -> int:
        """Bytes of the weights with every chosen one in float32."""
        return sum(4 * math.prod(weight.shape) for weight in self.chosen) + self.float_nbytes

    @property
    def bits_per_weight(self) -> float:
        """Bits of a chosen weight, scales included."""
        sizes = sum(math.prod(weight.shape) for weight in self.chosen)
        return 8 * self.codes_nbytes / sizes if sizes else 0.0

    def to_dict(self) -> dict:
        """The report as JSON-able data."""
        return {
            "chosen": [
                {
                    "path": weight.path,
                    "shape": list(weight.shape),
                    "matrix": list(weight.codes.shape),
                    "bits": weight.codes.bits,
                    "bits_per_weight": weight.codes.bits_per_weight,
                    "error": weight.error,
                    "nbytes": weight.codes.nbytes,
                }
                for weight in self.chosen
            ],
            "skipped": [
                dataclasses.asdict(weight) | {"shape": list(weight.shape)}
                for weight in self.skipped
            ],
            "nbytes": self.nbytes,
            "has_config": self.has_config,
            "original_nbytes": self.original_nbytes,
            "bits_per_weight": self.bits_per_weight,
        }

    @classmethod
    def of(cls, tensors, metadata: dict, nbytes: int | None = None) -> Report:
        """The report of a model's `tensors`, which `metadata` describes, as in a file of its own.

        Args:
            tensors: {name: BinaryCodes or array}, for example what `bcq_tf.read` returned.
            metadata: its `metadata`.
            nbytes: bytes of the file, where it is known; else it is worked out.

        Raises:
            FileFormatError: they are not those of a model.
        """
        entries = stored_weights(tensors, metadata)
        chosen = [
            ChosenWeight(entry.path, entry.shape, entry.tensor, entry.error)
            for entry in entries
            if entry.reason is None
        ]
        skipped = [
            SkippedWeight(entry.path, entry.shape, entry.tensor.nbytes, entry.reason)
            for entry in entries
            if entry.reason is not None
        ]
        size = file.size(tensors, metadata) if nbytes is None else nbytes
        return cls(tuple(chosen), tuple(skipped), size, metadata.get("model") is not None)

    def __rich__(self):
        from rich.console import Group

        shown = [_chosen(self)]
        if self.skipped:
            shown.append(float_listing("Left as they are", self.skipped))
        return Group(*shown, totals(self))

    def __str__(self) -> str:
        return as_text(self)


def _chosen(report: Report):
    rows = (
        (
            weight.path,
            times(weight.shape),
            times(weight.codes.shape),
            _bits(weight.codes),
            f"{weight.codes.bits_per_weight:.2f}",
            f"{weight.error:.4f}",
            f"{weight.codes.nbytes:,}",
        )
        for weight in report.chosen
    )
    columns = "weight", "shape", "rows x columns", "bits", "bits/weight", "error", "bytes"
    return listing("Quantized", *columns, rows=rows)


def totals(report: Report) -> str:
    """How many weights are quantized, and what the file takes, in a sentence or two."""
    ratio = report.original_nbytes / report.nbytes
    return (
        f"{len(report.chosen)} weights quantized to {report.codes_nbytes:,} bytes "
        f"({report.bits_per_weight:.2f} bits per weight), {len(report.skipped)} are left as they "
        f"are ({report.float_nbytes:,} bytes). The file takes {report.nbytes:,} bytes, "
        f"{ratio:.1f} times less than float32."
        + (
            ""
            if report.has_config
            else " It lacks the model's Keras config, which none makes: "
            "bcq_tf.load_model needs `model=`."
        )
    )


def _bits(codes: BinaryCodes) -> str:
    least, most = codes.row_bits.min(), codes.bits
    return str(most) if least == most else f"{least} to {most}"
