"""`compare`: the outputs of a float model and of its quantized form on the same inputs."""

from __future__ import annotations

import argparse
import os

import numpy as np

from bcq_tf.cli.agreement import Agreement
from bcq_tf.cli.command import Command, Result, add_import, add_precision, positive
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.inputs import Inputs, arranged, predict, random_inputs, read_inputs, running
from bcq_tf.cli.models import check_exists, read_model
from bcq_tf.reports.listing import listing

RANDOM_ROWS = 32
EXAMPLES = """\
  python -m bcq_tf compare model.keras model.bcq.npy --data test.npz
      on the arrays of test.npz, in the order of the model's inputs; with an array y, also the
      losses and metrics that the model was compiled with
  python -m bcq_tf compare model.keras model.bcq.npy --precision fast
      on random inputs, with inputs of products rounded to 8 bits
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="FLOAT.keras", help="float model")
    add("file", metavar="PACKED.bcq.npy", help="its quantized weights")
    add("--data", metavar="FILE.npz", help="inputs, and targets as y (random inputs)")
    add("--batch-size", type=positive, default=32, help="rows at a time (%(default)s)")
    add_precision(parser)
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    check_exists(options.file)
    model = _read(options)
    if options.data:
        inputs = read_inputs(options.data, model)
    else:
        inputs = random_inputs(model, RANDOM_ROWS)
    packed, report = _packed(options)
    agreements = _agreements(model, packed, inputs, options.batch_size)
    data = {
        "inputs": inputs.origin,
        "rows": inputs.rows,
        "precision": options.precision,
        "outputs": [agreement.to_dict() for agreement in agreements],
        "metrics": _metrics(model, packed, inputs, options.batch_size),
        "file_nbytes": _both(os.path.getsize(options.model), os.path.getsize(options.file)),
        "memory_nbytes": _both(report.float_nbytes, report.nbytes),
        "dequantized": {line.path: line.reason for line in report.dequantized},
    }
    return Result(data, _shown(data))


COMMAND = Command(
    "compare",
    "a float model's outputs against its quantized form",
    "Runs a float model and its quantized form, computing from the codes, on the same inputs.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _read(options: argparse.Namespace):
    # Losses and metrics, which may be of unknown classes, matter where there may be targets.
    return read_model(options.model, options.modules, compiled=options.data is not None)


def _packed(options: argparse.Namespace):
    # The model with packed weights, compiled as it was, and what `pack_model` reports.
    import bcq_tf

    packed = _read(options)
    config = packed.get_compile_config() if packed.compiled else None
    with blaming_input():
        report = bcq_tf.pack_model(packed, options.file, precision=options.precision)
    if config:
        packed.compile_from_config(config)
    return packed, report


def _both(of_float, of_packed) -> dict:
    # A figure of either model.
    return {"float": of_float, "packed": of_packed}


def _agreements(model, packed, inputs: Inputs, batch_size: int) -> list[Agreement]:
    agreements = None
    for batch in inputs.batches(batch_size):
        answers = [predict(m, batch) for m in (model, packed)]
        if agreements is None:
            agreements = [Agreement(name) for name in _output_names(model, len(answers[0]))]
        for agreement, a, b in zip(agreements, *answers, strict=True):
            agreement.add(a, b)
    return agreements


def _output_names(model, count: int) -> list[str]:
    names = list(getattr(model, "output_names", None) or [])
    return names if len(names) == count else [f"output {i}" for i in range(count)]


def _metrics(model, packed, inputs: Inputs, batch_size: int) -> dict[str, dict]:
    if inputs.target is None:
        return {}
    if not (model.compiled and packed.compiled):
        return _accuracy(model, packed, inputs, batch_size)
    with running():
        x = arranged(model, inputs.arrays)
        values = [
            m.evaluate(x, inputs.target, batch_size, verbose=0, return_dict=True)
            for m in (model, packed)
        ]
    return {name: _both(float(a), float(values[1][name])) for name, a in values[0].items()}


def _accuracy(model, packed, inputs: Inputs, batch_size: int) -> dict[str, dict]:
    # Of a model that was saved without its losses: the share of rows whose largest output is `y`.
    right, begin = [0, 0], 0
    for batch in inputs.batches(batch_size):
        wanted = inputs.target[begin : begin + len(batch[0])]
        begin += len(batch[0])
        for i, m in enumerate((model, packed)):
            right[i] += _right(predict(m, batch), wanted)
    return {"accuracy": _both(*(count / inputs.target.size for count in right))}


def _right(answers: list, wanted: np.ndarray) -> int:
    # At how many positions the largest output is the class that is wanted.
    shape = answers[0].shape[:-1]
    fits = len(answers) == 1 and wanted.shape in (shape, (*shape, 1))
    if not fits or wanted.dtype.kind not in "iu":
        raise UserError(
            "`y` must be the class of each row of one output, since the model was saved without a "
            f"loss. Received: {wanted.dtype} of shape {list(wanted.shape)} in a batch"
        )
    return int(np.sum(answers[0].argmax(-1) == wanted.reshape(shape)))


def _shown(data: dict) -> list:
    outputs = (
        (
            line["output"],
            f"{line['relative_error']:.3g}",
            f"{line['cosine']:.6f}",
            "" if line["top1"] is None else f"{100 * line['top1']:.2f}%",
        )
        for line in data["outputs"]
    )
    figures = [
        (name, f"{both['float']:.5g}", f"{both['packed']:.5g}")
        for name, both in data["metrics"].items()
    ]
    for name, key in (("file, bytes", "file_nbytes"), ("weights, bytes in memory",
                       "memory_nbytes")):  # fmt: skip
        a, b = data[key].values()
        figures.append((name, f"{a:,}", f"{b:,}", f"{a / b:.2f}"))
    shown = [
        f"Inputs: {data['inputs']} ({data['rows']} rows). Precision: {data['precision']}",
        listing("Outputs", "output", "relative error", "cosine", "same largest", rows=outputs),
        listing("Models", "", "float", "packed", "ratio", rows=figures),
    ]
    if data["dequantized"]:
        rows = data["dequantized"].items()
        shown.append(listing("Codes, but float in memory", "weight", "reason", rows=rows))
    return shown
