"""BackupAndRestore beside BCQCallback: its backups hold the state of the quantization too.

Beside each backup stands a `.bcq.npy` file with the codes that training goes on from and the run
that they are of. Its name has a checksum of the weights and the step, so that of the states that a
killed run leaves the one is found that the restored weights belong to. Before the first backup a
file without codes says which run has begun.
"""

from __future__ import annotations

import contextlib
import glob
import os
import zlib

import keras

from bcq_tf._keras import (
    as_array,
    backing_up_to,
    backup_paths,
    replace_saving,
    start_at_epoch,
    sync_variables,
)
from bcq_tf.files import file
from bcq_tf.files.atomic import replacing_all
from bcq_tf.files.file import QuantizedFile
from bcq_tf.training.optimizers import steps_of

_STATE = "bcq-{}" + file.SUFFIX
_BEGUN = "begun"
_BEST = "best" + file.SUFFIX


class Backups:
    """The BackupAndRestore callbacks of one `fit`.

    state: a function that returns what is saved: {name: BinaryCodes}, and metadata with an "epoch",
        that in which training goes on.
    """

    def __init__(self, model, callbacks: list[keras.callbacks.BackupAndRestore], state):
        self._model, self._state = model, state
        self._backups = [_Backup(callback, self._save) for callback in callbacks]
        self._held = False

    @property
    def best_path(self) -> str | None:
        """Of a file that goes when training ends and stays where it is cut short; None if none."""
        folders = (backup.folder for backup in self._backups if backup.folder)
        return next((os.path.join(folder, _BEST) for folder in folders), None)

    def restored(self) -> QuantizedFile | None:
        """The state that belongs to the weights that the model was restored to; None if none.

        Training goes on in the epoch that it says.
        """
        checksum = self._checksum() if self._backups else ""
        for backup in self._backups:
            if backup.is_half_removed():
                start_at_epoch(self._model, None)
            state = backup.read(checksum)
            if state is not None:
                start_at_epoch(self._model, state.metadata["epoch"])
                return state
        return None

    def begin(self, metadata: dict) -> None:
        """Leaves the metadata of a state for a run that is killed before its first backup."""
        for backup in self._backups:
            backup.begin(metadata)

    @contextlib.contextmanager
    def held(self):
        """Backups that are due in this context wait for `save_held`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def save_held(self) -> None:
        """Saves what was due."""
        for backup in self._backups:
            if backup.due:
                backup.due()
            backup.due = None

    @contextlib.contextmanager
    def removed_last(self, logs=None):
        """What a BackupAndRestore does when training ends, it does after this context."""
        for backup in self._backups:
            backup.callback.on_train_end = lambda logs=None: None
        try:
            yield
        finally:
            for backup in self._backups:
                del backup.callback.on_train_end
        for backup in self._backups:
            backup.end()

    def release(self) -> None:
        """Lets the callbacks save by themselves."""
        for backup in self._backups:
            replace_saving(backup.callback, None)

    def _save(self, backup: _Backup, save) -> None:
        if self._held:
            backup.due = lambda: self._save(backup, save)
            return
        sync_variables(self._model)
        if backup.folder is None:
            save()
        else:
            backup.save(save, self._checksum(), *self._state())

    def _checksum(self) -> str:
        crc = zlib.crc32(str(steps_of(self._model.optimizer)).encode())
        for variable in self._model.weights:
            crc = zlib.crc32(as_array(variable).tobytes(), crc)
        return f"{crc:08x}"


class _Backup:
    """One BackupAndRestore; its `folder` is None where it is no folder of this machine."""

    def __init__(self, callback: keras.callbacks.BackupAndRestore, save):
        self.callback = callback
        folder = os.fspath(callback.backup_dir)
        self.folder = None if "://" in folder else folder
        self.due = None
        self._kept = None  # the name of the last state
        replace_saving(callback, lambda original: save(self, original))

    def is_half_removed(self) -> bool:
        """Whether the epoch was restored, but no weights, since the end of a run was cut short."""
        weights, epoch = backup_paths(self.callback)
        return self.folder is not None and os.path.exists(epoch) and not os.path.exists(weights)

    def begin(self, metadata: dict) -> None:
        """Writes the state of a run without a backup."""
        if self.folder is not None:
            file.save(self._path(_BEGUN), {}, metadata)

    def read(self, checksum: str) -> QuantizedFile | None:
        """The state of that checksum, or where there is no backup the one that has begun."""
        if self.folder is None:
            return None
        if not os.path.exists(backup_paths(self.callback)[0]):
            checksum = _BEGUN
        self._kept = self._path(checksum)
        return file.read(self._kept, mapped=False) if os.path.exists(self._kept) else None

    def save(self, save, checksum: str, tensors, metadata: dict) -> None:
        """Writes a state and, with `save`, what Keras backs up; a kill leaves the one before."""
        path = self._path(checksum)
        file.save(path, tensors, metadata)
        if self.callback.double_checkpoint:  # Keras then has its own way to survive
            save()
        else:
            paths = backup_paths(self.callback)
            with replacing_all(paths, ".weights.h5") as new, backing_up_to(self.callback, new):
                save()
        for old in glob.glob(os.path.join(glob.escape(self.folder), _STATE.format("*"))):
            if old not in (path, self._kept):
                os.remove(old)
        self._kept = path

    def end(self) -> None:
        """What `on_train_end` does; where that is cut short, no weights are left to go on from."""
        if self.folder is not None and self.callback.delete_checkpoint:
            with contextlib.suppress(FileNotFoundError):
                os.remove(backup_paths(self.callback)[0])
        self.callback.on_train_end()

    def _path(self, checksum: str) -> str:
        return os.path.join(self.folder, _STATE.format(checksum))
