"""Pictures of the command line. Matplotlib, which drawing needs, is imported when one is drawn."""

from __future__ import annotations

import importlib.util
import os

from bcq_tf.cli.errors import UserError
from bcq_tf.cli.models import check_output
from bcq_tf.files.atomic import replacing

SUFFIXES = (".png", ".svg", ".pdf")


def check_picture(path: str, inputs: list[str | None], name: str) -> None:
    """Raises UserError, before any work, unless a picture can be drawn to `path`.

    inputs: see `check_output`. name: of the argument.
    """
    check_output(path, SUFFIXES, inputs, name=name)
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(f"`{name}` needs matplotlib: pip install matplotlib")


def new_figure(width: float, height: float):
    """A matplotlib figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(figure, path: str) -> None:
    """Writes it in the format that the path's suffix names, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path, os.path.splitext(path)[1]) as temporary:
        figure.savefig(temporary, dpi=120)
