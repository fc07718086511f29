"""What a `fit` consists of: its callbacks, what BackupAndRestore keeps private, optimizers."""

from __future__ import annotations

import contextlib
import functools
import sys

import keras
from keras.src.callbacks import monitor_callback


class MonitorCallback(monitor_callback.MonitorCallback):
    """A callback that follows an entry of the logs, of which `best` is the best value so far."""

    def improves(self, value: float) -> bool:
        """Whether a value is better than `best`."""
        if self.monitor_op is None:
            self._set_monitor_op()
        return self._is_improvement(value, self.best)


def callbacks_of_this_fit(callback) -> keras.callbacks.CallbackList | None:
    """The callbacks that `callback`, called from them, stands among; None where there are none.

    A Keras callback is not told which others stand beside it, so this looks at the callers.
    """
    frame = sys._getframe(1)
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, keras.callbacks.CallbackList) and callback in caller.callbacks:
            return caller
        frame = frame.f_back
    return None


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
