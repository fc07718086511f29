"""What a `fit` consists of: its callbacks, what they keep private, optimizers."""

from __future__ import annotations

import contextlib
import functools
import sys

import keras
from keras.src.callbacks.monitor_callback import MonitorCallback


def callbacks_of_this_fit(callback) -> keras.callbacks.CallbackList | None:
    """The list that `callback` is called from; None where there is none.

    The look at the callers' frames has no substitute: Keras gives a callback the model and the
    parameters of a `fit`, and nothing that these refer to knows the list, which Keras makes within
    `fit`. Without it a BackupAndRestore would save an epoch before it is rated, and callbacks that
    undo the work would go unseen.
    """
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList) and callback in caller.callbacks:
            return caller
        frame = frame.f_back
    return None


def monitor_mode(monitor: str, mode: str, model) -> str | None:
    """ "min" or "max" for an entry of the logs, as Keras' callbacks take it; None if they cannot.

    mode: "min", "max" or "auto". model: in `fit`, since its metrics may tell.
    """
    callback = MonitorCallback(monitor, mode)
    callback.set_model(model)
    try:
        callback._set_monitor_op()
    except ValueError:
        return None
    return "min" if callback.monitor_op is keras.ops.less else "max"


def replace_saving(backup: keras.callbacks.BackupAndRestore, save) -> None:
    """Makes a BackupAndRestore call `save(original)` where it saves; None: `original` again."""
    vars(backup).pop("_save_model", None)
    if save is not None:
        backup._save_model = functools.partial(save, backup._save_model)


def backup_paths(backup: keras.callbacks.BackupAndRestore) -> tuple[str, str]:
    """Where a BackupAndRestore writes weights and optimizer, and where the epoch."""
    return backup._weights_path, backup._training_metadata_path


@contextlib.contextmanager
def backing_up_to(backup: keras.callbacks.BackupAndRestore, paths: tuple[str, str]):
    """In this context a BackupAndRestore has other `backup_paths`."""
    before = backup_paths(backup)
    backup._weights_path, backup._training_metadata_path = paths
    try:
        yield
    finally:
        backup._weights_path, backup._training_metadata_path = before


def start_at_epoch(model, epoch: int | None) -> None:
    """Gives a `fit` that begins its first epoch, as BackupAndRestore does; None: as it was told."""
    model._initial_epoch = epoch


def optimizer_progress(optimizer) -> tuple[int, tuple]:
    """(steps, a value that changes whenever gradients are applied): accumulated gradients and those
    that loss scaling skips make no step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    scale = getattr(optimizer, "dynamic_scale", None)
    # The variables themselves have no int under MirroredStrategy.
    applied = int(keras.ops.convert_to_numpy(inner._iterations))
    scale = None if scale is None else float(keras.ops.convert_to_numpy(scale))
    return applied // (inner.gradient_accumulation_steps or 1), (applied, scale)


def managed_variables(optimizer) -> list:
    """The variables that an optimizer was built for; empty before."""
    return list(getattr(optimizer, "_trainable_variables", None) or [])
