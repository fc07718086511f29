"""The `.bcq.npy` files that a training run leaves: where the next goes, which ones stay."""

from __future__ import annotations

import glob
import os
import re
import string

from bcq_tf import file
from bcq_tf.config import check_integer


class BestFiles:
    """Writes the best epochs' files and keeps the newest `keep` of them.

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
        if self.template is not None and not self.template.endswith(file.SUFFIX):
            raise ValueError(f"`filepath` must end in {file.SUFFIX!r}. Received: {self.template!r}")
        check_integer("keep", keep, 1)
        if keep > 1 and (self.template is None or not self._has_fields()):
            raise ValueError(
                "`filepath` must hold a field such as {epoch:03d} where `keep` is more than 1. "
                f"Received: filepath={self.template!r}, keep={keep}"
            )

    def newest(self) -> str | None:
        """The newest existing file that the template could have named, or None."""
        existing = self._existing()
        return existing[-1] if existing else None

    def save(self, tensors, metadata: dict, epoch: int, logs: dict) -> str:
        """Writes one file for `epoch` (from 0), removes those past `keep`; returns its path."""
        path = self._path(epoch, logs)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        file.save(path, tensors, metadata)
        if self._has_fields():
            for old in self._existing()[: -self.keep]:
                os.remove(old)
        return path

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
        # Oldest first. Only a name that the template can make is ours to remove.
        if self.template is None:
            return []
        parts = list(string.Formatter().parse(self.template))
        pattern = "".join(glob.escape(text) + ("" if name is None else "*")
                          for text, name, _, _ in parts)  # fmt: skip
        exact = "".join(re.escape(text) + ("" if name is None else r"[-+.\w]+")
                        for text, name, _, _ in parts)  # fmt: skip
        found = [path for path in glob.glob(pattern) if re.fullmatch(exact, path)]
        return sorted(found, key=lambda path: (os.path.getmtime(path), path))
