"""`plot`: pictures of `.bcq.npy` files."""

from __future__ import annotations

import argparse
import os

import numpy as np

import bcq_tf
from bcq_tf.cli.command import Command, Result, add_import
from bcq_tf.cli.errors import UserError, blaming_input
from bcq_tf.cli.models import check_exists, read_model
from bcq_tf.cli.pictures import check_picture, new_figure, write_figure
from bcq_tf.codes import BinaryCodes
from bcq_tf.files.file import SUFFIX
from bcq_tf.files.stored_weights import StoredWeight, stored_weights
from bcq_tf.reports.report import Report

EXAMPLES = """\
  python -m bcq_tf plot model.bcq.npy --out weights.png
      the error and the bits of each weight
  python -m bcq_tf plot 1bit.bcq.npy 2bit.bcq.npy 3bit.bcq.npy --out sizes.png
      what each file takes, against what its best epoch was rated
  python -m bcq_tf plot model.bcq.npy --weight "*hidden/kernel" --float model.keras --out levels.svg
      the levels of a weight over the histogram of its floats
"""
MOST_DRAWN = 60  # weights, those of the largest error
BINS = 201


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "files", metavar="FILE", nargs="+", help="a .bcq.npy file of a model, or several to compare"
    )
    add("--out", metavar="PICTURE", required=True, help="to draw, .png, .svg or .pdf")
    add("--weight", metavar="PATTERN", help="of one weight, whose levels are shown, with --float")
    add("--float", dest="model", metavar="MODEL.keras", help="float model that the file is of")
    add_import(parser)


def _run(options: argparse.Namespace) -> Result:
    if (options.weight is None) != (options.model is None):
        raise UserError("`--weight` and `--float` must be given together. Received: one of them")
    if options.weight is not None and len(options.files) > 1:
        raise UserError(f"`--weight` must be of one file. Received: {len(options.files)} files")
    for path in options.files:
        check_exists(path)
    check_picture(options.out, [*options.files, options.model], "--out")
    with blaming_input():
        opened = [bcq_tf.read(path) for path in options.files]
        if options.weight is not None:
            figure, data = _levels(opened[0], options)
        elif len(opened) > 1:
            figure, data = _sizes(opened)
        else:
            figure, data = _weights(Report.of(opened[0], opened[0].metadata, opened[0].nbytes))
        write_figure(figure, options.out)
    return Result({"path": options.out, **data}, [f"Drawn: {options.out}"])


COMMAND = Command(
    "plot",
    "pictures of .bcq.npy files",
    "Draws the error and bits of each weight of a file; with several files their sizes against "
    "what their best epochs were rated; with --weight its levels over the histogram of the floats.",
    EXAMPLES,
    _add_arguments,
    _run,
)


def _weights(report: Report):
    """Bars of the error of each weight, and of its bits."""
    worst = sorted(report.chosen, key=lambda weight: weight.error)[-MOST_DRAWN:]
    places, paths = range(len(worst)), [weight.path for weight in worst]
    figure = new_figure(10, 1.2 + 0.2 * len(worst))
    errors, bits = figure.subplots(1, 2, sharey=True)
    errors.barh(places, [weight.error for weight in worst], color="C0")
    errors.set(xlabel="relative squared error of its codes")
    errors.set_yticks(places, paths, fontsize=7)
    bits.barh(places, [weight.codes.bits_per_weight for weight in worst], color="C1")
    bits.set(xlabel="bits a weight, scales included")
    left = len(report.chosen) - len(worst)
    more = f"; {left} of less error are not shown" if left else ""
    figure.suptitle(f"{report.nbytes:,} bytes, {report.bits_per_weight:.2f} bits a weight{more}")
    lines = [
        {"weight": w.path, "error": w.error, "bits_per_weight": w.codes.bits_per_weight}
        for w in report.chosen
    ]
    return figure, {"kind": "weights", "weights": lines}


def _sizes(opened: list):
    """A point for each file."""
    names = _names([each.path for each in opened])
    lines = [{"name": name, **_rated(each)} for name, each in zip(names, opened, strict=True)]
    monitors = sorted({line["monitor"] for line in lines})
    if len(monitors) > 1:
        raise UserError(f"`FILE`s must be rated by one log entry. Received: {monitors}")
    figure = new_figure(7, 4.5)
    axes = figure.add_subplot()
    for line in lines:
        point = line["nbytes"] / 1e6, line["value"]
        axes.plot(*point, "o", color="C0")
        axes.annotate(line["name"], point, (4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="MB", ylabel=monitors[0])
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    return figure, {"kind": "sizes", "files": lines}


def _names(paths: list[str]) -> list[str]:
    """The files' names, with their folders where they are alike."""
    short = [os.path.basename(path) for path in paths]
    if len(set(short)) < len(short):
        absolute = [os.path.abspath(path) for path in paths]
        short = [os.path.relpath(path, os.path.commonpath(absolute)) for path in absolute]
    return [name.removesuffix(SUFFIX) for name in short]


def _rated(opened) -> dict:
    value, monitor = (opened.metadata.get(name) for name in ("value", "monitor"))
    if not isinstance(value, (int, float)) or not isinstance(monitor, str):
        raise UserError(
            "`FILE`s must be of epochs that a BCQCallback has rated, to be compared. "
            f"Received: '{opened.path}', which is not"
        )
    return {"nbytes": opened.nbytes, "monitor": monitor, "value": value}


def _levels(opened, options: argparse.Namespace):
    """The floats of a weight, and the values that its codes give them."""
    model = read_model(options.model, options.modules)
    stored, variable = _weight(opened, model, options)
    matrix = stored.view.to_matrix(np.asarray(variable, np.float32))
    largest = _largest(stored.tensor)
    with np.errstate(divide="ignore", invalid="ignore"):
        floats, values = (m / largest for m in (matrix, stored.tensor.reconstruct()))
    figure = new_figure(8, 4.5)
    axes = figure.add_subplot()
    most = float(np.nanmax(np.abs(floats[np.isfinite(floats)]), initial=1.0))
    bins = np.linspace(-most, most, BINS)
    axes.hist(floats[np.isfinite(floats)], bins, color="C0", alpha=0.5, label="floats")
    axes.hist(values[np.isfinite(values)], bins, color="C1", histtype="step", label="their codes")
    axes.set(xlabel="of the largest level of its row and group", ylabel="weights", yscale="log")
    axes.legend()
    bits, error = stored.tensor.bits, stored.error
    axes.set_title(f"{stored.path}: {bits} bits, relative squared error {error:.3g}", fontsize=10)
    return figure, {"kind": "levels", "weight": stored.path, "bits": bits, "error": error}


def _weight(opened, model, options: argparse.Namespace) -> tuple[StoredWeight, object]:
    from bcq_tf.config import matches
    from bcq_tf.models.match import match_model

    entries = match_model(model, stored_weights(opened, opened.metadata))
    coded = [
        (entry, variable)
        for entry, variable in zip(entries, model.weights, strict=True)
        if isinstance(entry.tensor, BinaryCodes)
    ]
    found = [pair for pair in coded if matches(options.weight, pair[0].path, pair[1].path)]
    if len(found) != 1:
        paths = ", ".join(pair[0].path for pair in (found or coded)[:3])
        raise UserError(
            "`--weight` must match one weight that has codes. "
            f"Received: {options.weight}, which matches {len(found)}. Such as: {paths}"
        )
    return found[0]


def _largest(codes: BinaryCodes) -> np.ndarray:
    """The largest level of each row and group, as an array like the matrix [R, C]."""
    from bcq_tf.training.latent.projection import levels

    width = codes.group_size or codes.columns
    return np.repeat(levels(codes)[..., -1], width, axis=1)[:, : codes.columns]
