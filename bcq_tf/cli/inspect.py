"""`inspect`: what is in a `.bcq.npy` file. Without `--float` it needs no TensorFlow."""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.models import check_exists, read_model
from bcq_tf.files.legacy_file import LegacyWeight, is_legacy
from bcq_tf.files.stored_weights import describes_model, stored_weights
from bcq_tf.reports.report import Report
from bcq_tf.reports.tables import as_text, table, times

EXAMPLES = """\
  python -m bcq_tf inspect model.bcq.npy
      its weights, sizes and errors, and what stays float and why
  python -m bcq_tf inspect model.bcq.npy --float model.keras
      the errors measured anew, against this float model
"""
FACTS = ("monitor", "value", "epoch", "step")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help="a .bcq.npy file, those of transformer_bcq too"
    )
    parser.add_argument(
        "--float", dest="model", metavar="MODEL.keras", help="float model to measure errors against"
    )
    add_import(parser)


def _run(options: argparse.Namespace) -> ModelContents | TensorContents:
    check_exists(options.file)
    with blaming_input():
        if is_legacy(options.file):
            tensors = _lines(bcq_tf.read_legacy(options.file))
            return TensorContents(options.file, "transformer_bcq", tensors)
        opened = bcq_tf.read(options.file)
        if not describes_model(opened.metadata):
            return TensorContents(opened.path, "tensors", _lines(opened))
        report = Report.of(opened, opened.metadata, opened.nbytes)
    if options.model is not None:
        model = read_model(options.model, options.modules)
        report = _measured(report, opened, model, options.model)
    return ModelContents(opened.path, report, opened.metadata, options.model)


@dataclasses.dataclass(frozen=True)
class ModelContents(Result):
    """A file that holds a model.

    Args:
        path: of the file.
        report: of its weights.
        metadata: of the file.
        measured: path of the model that the errors were measured against; None: as stored.
    """

    path: str
    report: Report
    metadata: dict
    measured: str | None

    def to_dict(self) -> dict:
        return {
            "path": self.path,
            "kind": "model",
            "config": self.metadata.get("config"),
            **{name: self.metadata.get(name) for name in FACTS},
            "keras_config": self.metadata.get("model") is not None,
            "errors_against": self.measured,
            **self.report.to_dict(),
            "float_nbytes": self.report.float_nbytes,
            "ratio": self.report.original_nbytes / self.report.nbytes,
        }

    def __str__(self) -> str:
        errors = f"measured against {self.measured}" if self.measured else "as stored"
        lines = [
            f"{self.path}: {self.report.nbytes:,} bytes",
            f"asked for     {_config(self.metadata.get('config'))}",
            f"trained       {_training(self.metadata)}",
            f"Keras config  {_keras_config(self.metadata)}",
            f"errors        relative squared, {errors}",
        ]
        return "\n".join([as_text(line).rstrip() for line in lines] + ["", str(self.report)])


@dataclasses.dataclass(frozen=True)
class TensorLine:
    """A tensor of a file: its name, shape, bytes; bits where it is codes (of
    compositional ones, those of an index), else its dtype."""

    name: str
    shape: tuple[int, ...]
    nbytes: int
    bits: int | None
    bits_per_weight: float | None
    dtype: str | None

    @classmethod
    def of(cls, name: str, tensor) -> TensorLine:
        """Of codes, an array or a `LegacyWeight`."""
        codes = tensor.codes if isinstance(tensor, LegacyWeight) else tensor
        if isinstance(codes, np.ndarray):
            return cls(name, codes.shape, codes.nbytes, None, None, str(codes.dtype))
        return cls(name, tensor.shape, codes.nbytes, codes.bits, codes.bits_per_weight, None)

    def cells(self) -> tuple:
        """Of a table's row."""
        bits = ("", "") if self.bits is None else (str(self.bits), f"{self.bits_per_weight:.2f}")
        return self.name, times(self.shape), *bits, self.dtype, f"{self.nbytes:,}"


@dataclasses.dataclass(frozen=True)
class TensorContents(Result):
    """A file of tensors that does not say which model they are of.

    Args:
        path: of the file.
        kind: "tensors" or "transformer_bcq".
        tensors: one line each.
    """

    path: str
    kind: str
    tensors: tuple[TensorLine, ...]

    def __str__(self) -> str:
        kind = "pickled by transformer_bcq" if self.kind == "transformer_bcq" else "of no model"
        columns = "tensor", "shape", "bits", "bits/weight", "dtype", "bytes"
        rows = (line.cells() for line in self.tensors)
        return as_text(table(f"{self.path}: tensors {kind}", *columns, rows=rows))


COMMAND = Command(
    "inspect",
    "what is in a .bcq.npy file",
    "Shows what is in a .bcq.npy file: each weight with its bits, error and bytes, what stays "
    "float and why.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _lines(tensors) -> tuple[TensorLine, ...]:
    return tuple(TensorLine.of(name, tensor) for name, tensor in tensors.items())


def _measured(report: Report, opened, model, path: str) -> Report:
    # The report with errors against the weights of `model`.
    import keras

    from bcq_tf.models.match import match_model
    from bcq_tf.solvers.error import relative_error

    with blaming_input(f"'{path}'"):
        entries = match_model(model, stored_weights(opened, opened.metadata))
    pairs = [pair for pair in zip(entries, model.weights, strict=True) if pair[0].view is not None]
    errors = {
        entry.position: relative_error(
            entry.view.to_matrix(keras.ops.convert_to_numpy(variable)), entry.tensor
        )
        for entry, variable in pairs
    }
    chosen = [
        dataclasses.replace(weight, error=errors[position])
        for weight, position in zip(report.chosen, sorted(errors), strict=True)
    ]
    return dataclasses.replace(report, chosen=tuple(chosen))


def _config(config) -> str:
    if not isinstance(config, dict):
        return "unknown"
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _training(metadata: dict) -> str:
    if metadata.get("epoch") is None:
        return "not said: quantized in one shot"
    value = metadata.get("value")
    value = f"{value:.6g}" if isinstance(value, float) else value
    rating = "" if value is None else f"{metadata.get('monitor')} {value}, "
    return f"{rating}epoch {metadata['epoch']} (the first is 0), step {metadata.get('step')}"


def _keras_config(metadata: dict) -> str:
    if metadata.get("model") is None:
        return "none: the file needs its model to be loaded"
    return "present: bcq_tf.load_model needs no other file"
