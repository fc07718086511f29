"""Keras models of the command line: read with what their classes need, written atomically."""

from __future__ import annotations

import importlib
import os
import warnings

from bcq_tf.cli.errors import UserError, blaming_input, one_line
from bcq_tf.cli.start import import_frameworks
from bcq_tf.files.atomic import replacing
from bcq_tf.files.paths import check_writable


def import_modules(names: list[str]) -> None:
    """Imports the modules of `--import`; raises UserError where one cannot be."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a module of the user's raises
            raise UserError(
                f"`--import` must be a module that can be imported. Received: {name} "
                f"({type(error).__name__}: {one_line(error)})"
            ) from error


def read_model(path: str, modules: list[str], compiled: bool = False):
    """The Keras model of a `.keras` file, `compiled` where it was when it was saved.

    Raises UserError where there is no such file, or it makes no model.
    """
    check_exists(path)
    import_frameworks()
    import keras

    import_modules(modules)
    with (
        blaming_input(f"'{path}' is no Keras model that can be read here", (Exception,)),
        warnings.catch_warnings(),
    ):
        # No command trains on, so none needs the optimizer's variables.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        return keras.saving.load_model(path, compile=compiled)


def read_quantized(path: str, model: str | None, modules: list[str], **options):
    """`bcq_tf.load_model(path, model=the Keras model of the file `model`, **options)`.

    Raises UserError where that raises; where the file needs a model, it names `--model`.
    """
    check_exists(path)
    floats = None if model is None else read_model(model, modules)
    import_frameworks()
    import bcq_tf

    import_modules(modules)
    with blaming_input():
        if model is None and bcq_tf.read(path).metadata.get("model") is None:
            raise UserError(f"`--model` must be given, since '{path}' has no Keras config")
        return bcq_tf.load_model(path, model=floats, **options)


def write_model(model, path: str) -> None:
    """Writes a model to a `.keras` file, whole or not at all."""
    with blaming_input(), replacing(path, ".keras") as temporary:
        model.save(temporary)


def check_exists(path: str) -> None:
    """Raises UserError unless `path` is a file."""
    if os.path.isdir(path):
        raise UserError(f"A file is wanted, and this is a folder: '{path}'")
    if not os.path.exists(path):
        raise UserError(f"No such file: '{path}'")
    if not os.path.isfile(path):
        raise UserError(f"This is no regular file: '{path}'")


def check_output(
    path: str, suffixes: tuple[str, ...], inputs: list[str | None], name: str = "OUT"
) -> None:
    """Raises UserError, before any work, unless `path` can be written.

    Folders that are missing are no error: whatever writes makes them.

    Args:
        path: of the output, the argument `name`.
        suffixes: one of which it must have.
        inputs: paths, or None, of files that it must not take the place of.
    """
    if not path.endswith(suffixes):
        wanted = " or ".join(suffixes)
        raise UserError(f"`{name}` must end with {wanted}. Received: {path}")
    if os.path.isdir(path):
        raise UserError(f"`{name}` must be a file. Received: the folder '{path}'")
    with blaming_input(f"`{name}`"):
        check_writable(path)
    for other in inputs:
        if other and _same_file(path, other):
            raise UserError(f"`{name}` must not be a file that is read. Received: {path}")


def _same_file(path: str, other: str) -> bool:
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)
