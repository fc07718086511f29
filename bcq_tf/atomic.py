"""Writing a file so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterable, Iterator


def write_atomically(path: str, chunks: Iterable) -> None:
    """Writes `chunks` (bytes-like) to `path`, replacing what is there.

    The bytes go to a temporary file in the same folder, which is renamed once they are on the
    disk. Whatever interrupts this, the temporary file is removed and an existing file is whole.
    Where `path` is a symbolic link, the file that it points to is replaced.

    Raises:
        FileNotFoundError: the folder does not exist.
        OSError: it cannot be written.
    """
    # Not tempfile: its files are readable by their owner only, whatever the umask says.
    with replacing(path) as temporary, open(temporary, "xb") as file:
        for chunk in chunks:
            file.write(chunk)


@contextlib.contextmanager
def replacing(path: str, suffix: str = ".tmp") -> Iterator[str]:
    """Yields the path of a temporary file to write, which replaces `path` when the context ends.

    As `write_atomically`, for what writes a file by its name.

    Args:
        path: what is replaced.
        suffix: how the temporary name ends.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "No such folder", folder)
    temporary = os.path.join(folder, f".{uuid.uuid4().hex}{suffix}")
    try:
        yield temporary
        _sync_file(temporary)
        os.replace(temporary, path)
    except BaseException:  # KeyboardInterrupt too
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    _sync_folder(folder)


def _sync_file(path: str) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    # The rename is lasting only when the folder is on the disk. Windows cannot open folders.
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
