"""The `.bcq.npy` files that a training run leaves: where the next goes, which ones stay."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import string

from bcq_tf.config import check_integer
from bcq_tf.files import file
from bcq_tf.files.atomic import replacing
from bcq_tf.files.file import QuantizedFile

PREVIOUS = f".previous{file.SUFFIX}"


class BestFiles:
    """Writes the best epochs' files of one run after the other, and keeps the `keep` best of each.

    What is best is said by the files: their "value", and in "mode" whether it should fall or grow.
    Files of other runs are never removed; one in the way of a new file gets another name.

    Args:
        template: a path ending in ".bcq.npy" that may hold format fields of the epoch (from 1) and
            the logs, such as "{epoch:03d}"; None writes nothing.
        keep: number of files that stay; more than 1 needs a field.

    Raises:
        ValueError: `template` or `keep` breaks its rule.
    """

    def __init__(self, template, keep: int = 1):
        self.template = None if template is None else os.fspath(template)
        self.keep = keep
        self._ranks: dict[str, tuple] = {}  # of the run's files, by path
        self._stamps: dict[str, tuple | None] = {}  # by what they are known to be the run's still
        if self.template is not None and not self.template.endswith(file.SUFFIX):
            raise ValueError(f"`filepath` must end in {file.SUFFIX!r}. Received: {self.template!r}")
        check_integer("keep", keep, 1)
        if keep > 1 and (self.template is None or not self._has_fields()):
            raise ValueError(
                "`filepath` must hold a field such as {epoch:03d} where `keep` is more than 1. "
                f"Received: filepath={self.template!r}, keep={keep}"
            )

    def read_all(self) -> list[QuantizedFile]:
        """Every existing file that the template could have named.

        Raises:
            FileFormatError: one is damaged.
        """
        found = []
        for path in self._existing():
            with contextlib.suppress(FileNotFoundError):  # another run has just removed it
                found.append(file.read(path))
        return found

    def check(self) -> None:
        """Raises FileFormatError where a new file would replace one that is none of the library."""
        if self.template is not None and not self._has_fields():
            self.read_all()

    def start(self, own: list[QuantizedFile] = (), removes: bool = True) -> None:
        """Begins a run.

        own: the files of it that are there.
        removes: whether the worst of them are removed, where there are more than are kept.
        """
        self._ranks = {opened.path: rank(opened.metadata) for opened in own}
        self._stamps = {path: _stamp(path) for path in self._ranks}
        if removes:
            self._remove_worst()

    def save(self, tensors, metadata: dict, epoch: int, logs: dict) -> tuple[str, str | None]:
        """Writes the file of `epoch` (from 0) and removes the run's files past the `keep` best.

        Returns:
            Its path, and the path that another run's file, which was there, now has; None if none.
        """
        return self._write(self._path(epoch, logs), tensors, metadata)

    def save_if_lost(self, tensors, metadata: dict) -> str | None:
        """Writes the run's best file again where it is gone; its path then, else None."""
        best = max(self._ranks, key=self._ranks.get, default=None)
        if best is None or os.path.exists(best):
            return None
        return self._write(best, tensors, metadata)[0]

    def _write(self, path: str, tensors, metadata: dict) -> tuple[str, str | None]:
        previous = None if self._is_own(path) else _keep_previous(path)
        file.save(path, tensors, metadata)
        self._ranks[path], self._stamps[path] = rank(metadata), _stamp(path)
        self._remove_worst()
        return path, previous

    def _remove_worst(self) -> None:
        for path in sorted(self._ranks, key=self._ranks.get)[: -self.keep]:
            if self._is_own(path):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path)
            del self._ranks[path]

    def _is_own(self, path: str) -> bool:
        # Another run may have put its own file there since.
        return path in self._ranks and self._stamps[path] == _stamp(path)

    def _path(self, epoch: int, logs: dict) -> str:
        try:
            return self.template.format(epoch=epoch + 1, **logs)
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(
                f"`filepath` may hold the fields {['epoch', *sorted(logs)]}. "
                f"Received: {self.template!r} ({error})"
            ) from None

    def _has_fields(self) -> bool:
        return any(name is not None for _, name, _, _ in string.Formatter().parse(self.template))

    def _existing(self) -> list[str]:
        if self.template is None:
            return []
        parts = list(string.Formatter().parse(self.template))
        pattern = "".join(glob.escape(text) + ("" if name is None else "*")
                          for text, name, _, _ in parts)  # fmt: skip
        exact = "".join(re.escape(text) + ("" if name is None else r"[-+.\w]+")
                        for text, name, _, _ in parts)  # fmt: skip
        found = [path for path in glob.glob(pattern) if re.fullmatch(exact, path)]
        if self._has_fields():  # which would also stand for "003.previous"
            found = [path for path in found if not path.endswith(PREVIOUS)]
        return sorted(found)


def rank(metadata: dict) -> tuple:
    """What grows with how good the model is that a file holds, by the file's metadata.

    A model without a "value", the last one of a run, is the best. Of equal ones the later is.
    """
    value, step = metadata.get("value"), metadata.get("step", 0)
    sign = {"min": -1, "max": 1}.get(metadata.get("mode"), 0)  # 0: of a file that does not say
    return value is None, sign * (value or 0), step


def _stamp(path: str) -> tuple | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _keep_previous(path: str) -> str | None:
    """Copies the file at `path`, if there is one, beside it; returns where.

    Not a rename, so that an error while the new one is written leaves the old one.
    """
    previous = path.removesuffix(file.SUFFIX) + PREVIOUS
    if not os.path.exists(path):
        return None
    try:
        with replacing(previous) as temporary:
            shutil.copyfile(path, temporary)
    except FileNotFoundError:  # another run has just removed it
        return None
    return previous
