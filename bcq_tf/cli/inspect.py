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
from bcq_tf.reports.listing import listing, times
from bcq_tf.reports.report import Report

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


def _run(options: argparse.Namespace) -> Result:
    check_exists(options.file)
    with blaming_input():
        if is_legacy(options.file):
            tensors = bcq_tf.read_legacy(options.file)
            return _of_tensors(options.file, "transformer_bcq", tensors)
        opened = bcq_tf.read(options.file)
        if not describes_model(opened.metadata):
            return _of_tensors(opened.path, "tensors", opened)
        report = Report.of(opened, opened.metadata, opened.nbytes)
    if options.model is not None:
        model = read_model(options.model, options.modules)
        report = _measured(report, opened, model, options.model)
    return _of_model(opened, report, options.model)


COMMAND = Command(
    "inspect",
    "what is in a .bcq.npy file",
    "Shows what is in a .bcq.npy file: each weight with its bits, error and bytes, what stays "
    "float and why.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _of_tensors(path: str, kind: str, tensors) -> Result:
    # Of a file that does not say which model they are of.
    lines = [_tensor(name, tensor) for name, tensor in tensors.items()]
    rows = (
        (
            line["name"],
            times(line["shape"]),
            "" if line["bits"] is None else str(line["bits"]),
            "" if line["bits"] is None else f"{line['bits_per_weight']:.2f}",
            line["dtype"],
            f"{line['nbytes']:,}",
        )
        for line in lines
    )
    said = "pickled by transformer_bcq" if kind == "transformer_bcq" else "of no model"
    columns = "tensor", "shape", "bits", "bits/weight", "dtype", "bytes"
    shown = listing(f"{path}: tensors {said}", *columns, rows=rows)
    return Result({"path": path, "kind": kind, "tensors": lines}, [shown])


def _tensor(name: str, tensor) -> dict:
    # Bits of codes, those of an index of compositional ones; the dtype of an array.
    codes = tensor.codes if isinstance(tensor, LegacyWeight) else tensor
    is_array = isinstance(codes, np.ndarray)
    return {
        "name": name,
        "shape": tensor.shape,
        "nbytes": codes.nbytes,
        "bits": None if is_array else codes.bits,
        "bits_per_weight": None if is_array else codes.bits_per_weight,
        "dtype": str(codes.dtype) if is_array else None,
    }


def _of_model(opened, report: Report, measured: str | None) -> Result:
    # measured: path of the model that the errors were measured against; None: as stored.
    metadata = opened.metadata
    data = {
        "path": opened.path,
        "kind": "model",
        "config": metadata.get("config"),
        **{name: metadata.get(name) for name in FACTS},
        "keras_config": metadata.get("model") is not None,
        "errors_against": measured,
        **report.to_dict(),
        "float_nbytes": report.float_nbytes,
        "ratio": report.original_nbytes / report.nbytes,
    }
    errors = f"measured against {measured}" if measured else "as stored"
    shown = [
        f"{opened.path}: {report.nbytes:,} bytes",
        f"asked for     {_config(metadata.get('config'))}",
        f"trained       {_training(metadata)}",
        f"Keras config  {_keras_config(metadata)}",
        f"errors        relative squared, {errors}",
        "",
        report,
    ]
    return Result(data, shown)


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
