"""`bench`: a packed model's times and memory beside those of the float model, on this machine."""

from __future__ import annotations

import argparse
import dataclasses

from bcq_tf.cli.command import Command, Result, add_import, add_precision, positive, positives
from bcq_tf.cli.errors import UserError
from bcq_tf.cli.inputs import Inputs, arranged, random_inputs, read_inputs, running
from bcq_tf.cli.models import check_exists, read_model, read_quantized
from bcq_tf.cli.products import ProductTimes, time_products
from bcq_tf.cli.timing import DEVICES, Rivals, choose_device, take_turns, waiting
from bcq_tf.reports.tables import as_text, table, times

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


def _run(options: argparse.Namespace) -> Benchmark:
    check_exists(options.file)
    with choose_device(options.device, options.threads):
        packed = _read(options, packed=True, precision=options.precision)
        floats = _read(options, packed=False)
        inputs = _inputs(options, floats)
        forward = [_time_forward(packed, floats, inputs, batch) for batch in options.batch]
        products = time_products(packed, options.batch)
    return _result(options, packed, inputs, forward, products)


@dataclasses.dataclass(frozen=True)
class ForwardTimes(Rivals):
    """Seconds of one forward pass of `batch` rows, of both models."""

    batch: int
    float_seconds: float
    packed_seconds: float


@dataclasses.dataclass(frozen=True)
class Benchmark(Result):
    """What `bench` measured.

    Args:
        setting: device, threads (None: TensorFlow's choice), precision, isa (None: not compiled).
        inputs: where they come from.
        forward: a `ForwardTimes` for each batch.
        products: a `ProductTimes` for each size of matrix and batch.
        float_nbytes, packed_nbytes: of the weights in memory.
    """

    setting: dict
    inputs: str
    forward: list[ForwardTimes]
    products: list[ProductTimes]
    float_nbytes: int
    packed_nbytes: int

    def to_dict(self) -> dict:
        said = super().to_dict()
        for name in ("forward", "products"):
            said[name] = [line.to_dict() for line in getattr(self, name)]
        return said.pop("setting") | said

    def __str__(self) -> str:
        from rich.console import Group

        said = self.setting
        heading = (
            f"Device {said['device']}, threads {said['threads'] or 'as TensorFlow chooses'}, "
            f"precision {said['precision']}, core {said['isa'] or 'not compiled'}. "
            f"Inputs: {self.inputs}"
        )
        memory = (
            f"Weights in memory: {self.packed_nbytes:,} bytes packed, {self.float_nbytes:,} float, "
            f"{self.float_nbytes / self.packed_nbytes:.2f} times"
        )
        return as_text(Group(heading, self._forward(), self._products(), memory))

    def _forward(self):
        rows = (
            (
                str(line.batch),
                f"{1e3 * line.float_seconds:.3f}",
                f"{1e3 * line.packed_seconds:.3f}",
                f"{line.speedup:.2f}",
            )
            for line in self.forward
        )
        columns = "batch", "float ms", "packed ms", "times as fast"
        return table("Forward pass", *columns, rows=rows)

    def _products(self):
        rows = (
            (
                line.layers[0],
                str(len(line.layers)),
                line.kind,
                times((line.rows, line.columns)),
                str(line.bits),
                str(line.batch),
                f"{1e6 * line.float_seconds:.2f}",
                f"{1e6 * line.packed_seconds:.2f}",
                f"{line.speedup:.2f}",
            )
            for line in self.products
        )
        return table("Layers' products", "layer", "layers", "kind", "rows x columns", "bits",
                     "batch", "float µs", "packed µs", "times as fast", rows=rows)  # fmt: skip


COMMAND = Command(
    "bench",
    "a packed model's speed and memory on this machine",
    "Times the packed model and the float model with the same weights in turns, and shows medians.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _read(options: argparse.Namespace, **loading):
    model = options.model and read_model(options.model, options.modules)
    return read_quantized(options.file, model, options.modules, **loading)


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


def _time_forward(packed, floats, inputs: Inputs, batch: int) -> ForwardTimes:
    with running():
        functions = {
            "float": _forward(floats, inputs, batch),
            "packed": _forward(packed, inputs, batch),
        }
        seconds = take_turns(functions)
    return ForwardTimes(batch, seconds["float"], seconds["packed"])


def _forward(model, inputs: Inputs, batch: int):
    # A traced forward pass, without the time that Keras' `predict` takes around it.
    import tensorflow as tf

    rows = next(inputs.batches(batch))
    x = arranged(model, tuple(tf.constant(array) for array in rows))
    function = tf.function(lambda x: model(x, training=False))
    made = function.get_concrete_function(x)
    return waiting(lambda: made(x))


def _result(options, packed, inputs: Inputs, forward, products) -> Benchmark:
    from bcq_tf import native
    from bcq_tf.models.pack_report import PackReport

    setting = {
        "device": options.device,
        "threads": options.threads,
        "precision": options.precision,
        "isa": native.status().isa,
    }
    report = PackReport.of(packed, {})
    return Benchmark(setting, inputs.origin, forward, products, report.float_nbytes, report.nbytes)
