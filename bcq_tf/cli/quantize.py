"""`quantize`: a float Keras model to a `.bcq.npy` file, in one shot."""

from __future__ import annotations

import argparse

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.inputs import arranged, read_inputs
from bcq_tf.cli.models import check_output, read_model
from bcq_tf.cli.settings import add_settings, read_settings, with_scope
from bcq_tf.config import check_budget, check_tune
from bcq_tf.files.file import SUFFIX

LONG = 1 << 22  # weights that take a second or more, so that progress is shown
EXAMPLES = """\
  python -m bcq_tf quantize model.keras model.bcq.npy
      every matrix and embedding to 3 bits
  python -m bcq_tf quantize model.keras model.bcq.npy --bits 2 --group-size 128
      to 2 bits, with scales for each 128 columns
  python -m bcq_tf quantize model.keras model.bcq.npy --bits 2 --data samples.npz
      to 2 bits, with codes of small error in what the layers give for these inputs
  python -m bcq_tf quantize model.keras model.bcq.npy --budget 2.2 --data samples.npz --tune 1
      to 2.2 bits a weight: more where errors cost more, rows of tables too; then scales are
      trained until the outputs are those of the floats
  python -m bcq_tf quantize model.keras model.bcq.npy --rules '{"*embedding*": 4, "*logits*": null}'
      embeddings to 4 bits, logits stay float, all else to 3 bits
  python -m bcq_tf quantize model.keras model.bcq.npy --bits 8 --solver uniform --scope linear
      the kernels of Dense layers, in attention too, to 8 bits; all else stays float
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL.keras", help="float model")
    add("out", metavar="OUT", help=f"file to write, ending with {SUFFIX}")
    add_settings(parser)
    add("--data", metavar="FILE.npz", help="inputs to calibrate with, a few hundred or more")
    budget = "bits a weight, spent where they count; with --data, of a compiled model"
    add("--budget", type=float, metavar="BITS", help=budget)
    tune = "passes over the data in which scales are trained (none)"
    add("--tune", type=int, default=0, metavar="N", help=tune)
    add("--effort", choices=("full", "low"), default="full", help="of the solver (%(default)s)")
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    check_output(options.out, (SUFFIX,), [options.model])
    with blaming_input():  # before the model is read, which takes a while
        config, rules = read_settings(options)
        check_budget(options.budget, options.bits, options.data)
        check_tune(options.tune, options.data)
    model = read_model(options.model, options.modules, compiled=options.data is not None)
    samples = None
    if options.data:
        samples = (arranged(model, read_inputs(options.data, model).arrays),)
    with blaming_input():
        rules = with_scope(rules, model, options, config)
        report = bcq_tf.quantize_model(
            model,
            rules=rules,
            config=config,
            effort=options.effort,
            calibration=samples,
            budget=options.budget,
            tune=options.tune,
            filepath=options.out,
            verbose=model.count_params() >= LONG,
        )
    data = {"path": options.out, **report.to_dict()}
    return Result(data, [report, f"Written: {options.out}"])


COMMAND = Command(
    "quantize",
    "a Keras model to a .bcq.npy file",
    "Quantizes a float Keras model in one shot, without training. Samples of its inputs (--data) "
    "help; below 3 bits many models have to train on: see bcq_tf.BCQCallback.",
    EXAMPLES,
    _add_arguments,
    _run,
)
