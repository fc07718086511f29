"""`sensitivity`: which weights of a model bear few bits."""

from __future__ import annotations

import argparse

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import, positive, positives
from bcq_tf.cli.errors import blaming_input
from bcq_tf.cli.inputs import arranged, read_inputs
from bcq_tf.cli.models import read_model
from bcq_tf.cli.pictures import check_picture, new_figure, write_figure
from bcq_tf.cli.settings import read_object

EXAMPLES = """\
  python -m bcq_tf sensitivity model.keras --data samples.npz
      the loss with each weight alone at 1 to 4 bits, expected and measured
  python -m bcq_tf sensitivity model.keras --data samples.npz --bits 2,3 --plot loss.png
      at 2 and 3 bits, and as a picture
  python -m bcq_tf sensitivity model.keras --data samples.npz --expected-only
      without running the model for each weight
"""
MOST_DRAWN = 40  # weights, those that cost most


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL.keras", help="float model, compiled with a loss")
    add("--data", metavar="FILE.npz", required=True, help="inputs, and targets named 'y'")
    add("--bits", type=positives, default=[1, 2, 3, 4], help="numbers of bits (1,2,3,4)")
    add("--rules", help="JSON object, or a file of one: pattern of weights to bits or settings")
    add("--batch-size", type=positive, default=32, help="rows at a time (%(default)s)")
    add("--expected-only", action="store_true", help="measure nothing")
    add("--plot", metavar="FILE", help="picture to draw, .png, .svg or .pdf")
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    if options.plot:
        check_picture(options.plot, [options.model, options.data], "--plot")
    with blaming_input():
        rules = read_object("--rules", options.rules)
    model = read_model(options.model, options.modules, compiled=True)
    inputs = read_inputs(options.data, model)
    x = arranged(model, inputs.arrays)
    with blaming_input():
        found = bcq_tf.sensitivity(
            model,
            (x,) if inputs.target is None else (x, inputs.target),
            bits=options.bits,
            rules=rules,
            batch_size=options.batch_size,
            measure=not options.expected_only,
            verbose=True,
        )
    shown: list = [str(found)]
    if options.plot:
        with blaming_input():
            _draw(found, options.plot)
        shown.append(f"Drawn: {options.plot}")
    return Result(found.to_dict(), shown)


def _draw(found, path: str) -> None:
    """Each weight's losses: filled as measured, hollow as expected; those not above 0 are none."""
    worst: dict[str, float] = {}
    for line in found.lines:
        worst[line.path] = max(worst.get(line.path, 0.0), line.expected, line.measured or 0.0)
    paths = sorted(worst, key=worst.get)[-MOST_DRAWN:]
    figure = new_figure(9, 1.5 + 0.22 * len(paths))
    axes = figure.add_subplot()
    for number, bits in enumerate(sorted({line.bits for line in found.lines})):
        for name in ("expected", "measured"):
            points = _points(found, paths, bits, name)
            style = {"color": f"C{number}", "mfc": "none" if name == "expected" else None}
            label = f"{bits} bit{'s' * (bits > 1)}, {name}"
            if points:
                axes.plot(*zip(*points, strict=True), "o", label=label, **style)
    axes.set(xscale="log", xlabel="loss more with this weight alone quantized")
    axes.set_yticks(range(len(paths)), paths, fontsize=7)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper")
    write_figure(figure, path)


def _points(found, paths: list[str], bits: int, name: str) -> list[tuple[float, int]]:
    lines = {line.path: getattr(line, name) for line in found.lines if line.bits == bits}
    losses = [(lines[path] or 0.0, place) for place, path in enumerate(paths)]
    return [(loss, place) for loss, place in losses if loss > 0]


COMMAND = Command(
    "sensitivity",
    "which weights of a model bear few bits",
    "Quantizes each weight of a float Keras model alone, and says how much the loss on samples "
    "grows: expected from its second derivatives, and measured.",
    EXAMPLES,
    _add_arguments,
    _run,
)
