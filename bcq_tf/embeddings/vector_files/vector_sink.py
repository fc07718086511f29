"""Files that are written, gzipped or not."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator


@contextlib.contextmanager
def create(path: str, zipped: bool) -> Iterator:
    """Yields a new file that takes bytes, and gzips them where it is `zipped`.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    with open(path, "xb") as file:
        if not zipped:
            yield file
            return
        # Without name and time in it, equal vectors give equal files.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            yield packed
