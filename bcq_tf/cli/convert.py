"""`convert`: a `.bcq.npy` file to files that other programs read."""

from __future__ import annotations

import argparse
import os

import numpy as np

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.models import check_exists, check_output, read_quantized, write_model
from bcq_tf.files import container
from bcq_tf.files.atomic import write_atomically
from bcq_tf.files.legacy_file import LegacyWeight, is_legacy
from bcq_tf.files.stored_weights import describes_model, stored_weights

KERAS, SAFETENSORS = ".keras", ".safetensors"
EXAMPLES = """\
  python -m bcq_tf convert model.bcq.npy model.keras
      a float model with the values of the codes, which needs no bcq_tf
  python -m bcq_tf convert model.bcq.npy small.keras --packed
      a model that computes from the codes; keras.saving.load_model reads it after
      `import bcq_tf.layers`
  python -m bcq_tf convert model.bcq.npy model.keras --model float.keras
      of a file without a Keras config: the architecture is that of float.keras
  python -m bcq_tf convert model.bcq.npy model.safetensors
      float tensors by the path of the weight
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "file", metavar="FILE", help="a .bcq.npy file, for safetensors those of transformer_bcq too"
    )
    add("out", metavar="OUT", help=f"file to write, ending with {KERAS} or {SAFETENSORS}")
    add("--model", metavar="MODEL.keras", help="model of the file's architecture")
    add("--packed", action="store_true", help=f"keep the codes ({KERAS} only)")
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    check_exists(options.file)
    check_output(options.out, (KERAS, SAFETENSORS), [options.file, options.model])
    if options.out.endswith(KERAS):
        return _to_keras(options)
    for name in ("packed", "model"):
        if getattr(options, name):
            raise UserError(f"`--{name}` must be left out for {SAFETENSORS}, which holds tensors")
    return _to_safetensors(options)


COMMAND = Command(
    "convert",
    "a .bcq.npy file to a Keras model or safetensors",
    "Converts a .bcq.npy file to a Keras model, float or packed, or to float tensors.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _to_keras(options: argparse.Namespace) -> Result:
    made = read_quantized(options.file, options.model, options.modules, packed=options.packed)
    with blaming_input():
        weights = len(bcq_tf.read(options.file))
    write_model(made, options.out)
    return _result(options, f"{'packed' if options.packed else 'float'} Keras model", weights)


def _to_safetensors(options: argparse.Namespace) -> Result:
    with blaming_input():
        tensors = _float_tensors(options.file)
        pieces = {name: [tensor] for name, tensor in tensors.items()}
        facts = {"made_from": os.path.basename(options.file)}
        write_atomically(options.out, container.encode_safetensors(pieces, facts))
    return _result(options, "safetensors", len(tensors))


def _result(options: argparse.Namespace, kind: str, weights: int) -> Result:
    nbytes, original = os.path.getsize(options.out), os.path.getsize(options.file)
    data = {
        "path": options.out,
        "kind": kind,
        "weights": weights,
        "nbytes": nbytes,
        "original_nbytes": original,
    }
    shown = (
        f"{options.out}: {kind} of {weights} weights, {nbytes:,} bytes "
        f"({nbytes / original:.2f} times the {original:,} bytes that it was made from)"
    )
    return Result(data, [shown])


def _float_tensors(path: str) -> dict[str, np.ndarray]:
    # By path of the weight where the file is of a model, else by name.
    if is_legacy(path):
        return {
            name: weight.reconstruct() if isinstance(weight, LegacyWeight) else weight
            for name, weight in bcq_tf.read_legacy(path).items()
        }
    opened = bcq_tf.read(path)
    if describes_model(opened.metadata):
        entries = stored_weights(opened, opened.metadata)
        return container.unique((entry.path, entry.value()) for entry in entries)
    return {
        name: tensor if isinstance(tensor, np.ndarray) else tensor.reconstruct()
        for name, tensor in opened.items()
    }
