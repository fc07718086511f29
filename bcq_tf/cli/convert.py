"""`convert`: a `.bcq.npy` file to files that other programs read."""

from __future__ import annotations

import argparse
import dataclasses
import os

import numpy as np

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.models import check_exists, check_output, read_model, read_quantized, write_model
from bcq_tf.files import container
from bcq_tf.files.atomic import write_atomically
from bcq_tf.files.legacy_file import LegacyWeight, is_legacy
from bcq_tf.files.stored_weights import describes_model, stored_weights
from bcq_tf.reports.tables import as_text

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


def _run(options: argparse.Namespace) -> Converted:
    check_exists(options.file)
    check_output(options.out, (KERAS, SAFETENSORS), [options.file, options.model])
    if options.out.endswith(KERAS):
        return _to_keras(options)
    for name in ("packed", "model"):
        if getattr(options, name):
            raise UserError(f"`--{name}` must be left out for {SAFETENSORS}, which holds tensors")
    return _to_safetensors(options.file, options.out)


@dataclasses.dataclass(frozen=True)
class Converted(Result):
    """What was written.

    Args:
        path: of the file.
        kind: "float Keras model", "packed Keras model" or "safetensors".
        weights: number of them.
        nbytes: of the file.
        original_nbytes: of the file that it was made from.
    """

    path: str
    kind: str
    weights: int
    nbytes: int
    original_nbytes: int

    def __str__(self) -> str:
        return as_text(
            f"{self.path}: {self.kind} of {self.weights} weights, {self.nbytes:,} bytes "
            f"({self.nbytes / self.original_nbytes:.2f} times the {self.original_nbytes:,} bytes "
            "that it was made from)"
        )


COMMAND = Command(
    "convert",
    "a .bcq.npy file to a Keras model or safetensors",
    "Converts a .bcq.npy file to a Keras model, float or packed, or to float tensors.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _to_keras(options: argparse.Namespace) -> Converted:
    model = options.model and read_model(options.model, options.modules)
    made = read_quantized(options.file, model, options.modules, packed=options.packed)
    with blaming_input():
        weights = len(bcq_tf.read(options.file))
    kind = f"{'packed' if options.packed else 'float'} Keras model"
    nbytes = write_model(made, options.out)
    return Converted(options.out, kind, weights, nbytes, os.path.getsize(options.file))


def _to_safetensors(path: str, out: str) -> Converted:
    with blaming_input():
        tensors = _float_tensors(path)
        pieces = {name: [tensor] for name, tensor in tensors.items()}
        chunks = container.encode_safetensors(pieces, {"made_from": os.path.basename(path)})
        write_atomically(out, chunks)
    nbytes = sum(map(len, chunks))
    return Converted(out, "safetensors", len(tensors), nbytes, os.path.getsize(path))


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
