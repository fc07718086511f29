"""`bench`: a packed model's times and memory beside those of the float model, on this machine."""

from __future__ import annotations

import argparse

from bcq_tf import native
from bcq_tf.cli.command import Command, Result, add_import, add_precision, positive, positives
from bcq_tf.cli.errors import UserError
from bcq_tf.cli.inputs import Inputs, arranged, random_inputs, read_inputs, running
from bcq_tf.cli.models import check_exists, read_quantized
from bcq_tf.cli.products import time_products
from bcq_tf.cli.timing import DEVICES, choose_device, compared, waiting
from bcq_tf.reports.listing import listing, times

EXAMPLES = """\
  python -m bcq_tf bench model.bcq.npy
      batches of 1 and 8, all threads
  python -m bcq_tf bench model.bcq.npy --model model.keras --threads 1 --batch 1,32
      of a file without a Keras config, on one thread
  python -m bcq_tf bench model.bcq.npy --data inputs.npz --precision fast
      on the first rows of these inputs
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="a .bcq.npy file of a model")
    add("--model", metavar="MODEL.keras", help="model of the file's architecture")
    add("--data", metavar="FILE.npz", help="inputs (random inputs)")
    add("--batch", type=positives, default="1,8", help="rows at once, such as 1,8 (%(default)s)")
    add("--threads", type=positive, help="of the CPU (TensorFlow's choice)")
    add("--device", choices=DEVICES, default="cpu", help="(%(default)s)")
    add_precision(parser)
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    check_exists(options.file)
    with choose_device(options.device, options.threads):
        packed = _read(options, packed=True, precision=options.precision)
        floats = _read(options, packed=False)
        inputs = _inputs(options, floats)
        forward = [_time_forward(packed, floats, inputs, batch) for batch in options.batch]
        products = time_products(packed, options.batch)
    # Now that TensorFlow is there, as `choose_device` imports it.
    from bcq_tf.models.pack_report import PackReport

    report = PackReport.of(packed, {})
    data = {
        "device": options.device,
        "threads": options.threads,
        "precision": options.precision,
        "isa": native.status().isa,
        "inputs": inputs.origin,
        "forward": forward,
        "products": products,
        "float_nbytes": report.float_nbytes,
        "packed_nbytes": report.nbytes,
    }
    return Result(data, _shown(data))


COMMAND = Command(
    "bench",
    "a packed model's speed and memory on this machine",
    "Times the packed model and the float model with the same weights in turns, and shows medians.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _read(options: argparse.Namespace, **loading):
    return read_quantized(options.file, options.model, options.modules, **loading)


def _inputs(options: argparse.Namespace, model) -> Inputs:
    rows = max(options.batch)
    if options.data is None:
        return random_inputs(model, rows)
    inputs = read_inputs(options.data, model)
    if inputs.rows < rows:
        raise UserError(
            f"`--batch` must be at most {inputs.rows}, the rows of {inputs.origin}. "
            f"Received: {rows}"
        )
    return inputs


def _time_forward(packed, floats, inputs: Inputs, batch: int) -> dict:
    with running():
        rivals = {
            "float": _forward(floats, inputs, batch),
            "packed": _forward(packed, inputs, batch),
        }
        return {"batch": batch} | compared(rivals)


def _forward(model, inputs: Inputs, batch: int):
    # A traced forward pass, without the time that Keras' `predict` takes around it.
    import tensorflow as tf

    rows = next(inputs.batches(batch))
    x = arranged(model, tuple(tf.constant(array) for array in rows))
    function = tf.function(lambda x: model(x, training=False))
    made = function.get_concrete_function(x)
    return waiting(lambda: made(x))


def _shown(data: dict) -> list:
    heading = (
        f"Device {data['device']}, threads {data['threads'] or 'as TensorFlow chooses'}, "
        f"precision {data['precision']}, core {data['isa'] or 'not compiled'}. "
        f"Inputs: {data['inputs']}"
    )
    floats, packed = data["float_nbytes"], data["packed_nbytes"]
    memory = (
        f"Weights in memory: {packed:,} bytes packed, {floats:,} float, {floats / packed:.2f} times"
    )
    forward = ((str(line["batch"]), *_times(line, 1e3, 3)) for line in data["forward"])
    products = (
        (
            line["layers"][0],
            str(len(line["layers"])),
            line["kind"],
            times((line["rows"], line["columns"])),
            str(line["bits"]),
            str(line["batch"]),
            *_times(line, 1e6, 2),
        )
        for line in data["products"]
    )
    return [
        heading,
        listing("Forward pass", "batch", "float ms", "packed ms", "times as fast", rows=forward),
        listing("Layers' products", "layer", "layers", "kind", "rows x columns", "bits", "batch",
              "float µs", "packed µs", "times as fast", rows=products),
        memory,
    ]  # fmt: skip


def _times(line: dict, unit: float, digits: int) -> tuple[str, ...]:
    both = (f"{unit * line[name]:.{digits}f}" for name in ("float_seconds", "packed_seconds"))
    return *both, f"{line['speedup']:.2f}"
