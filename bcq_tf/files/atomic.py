"""Writing a file so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence

from bcq_tf.files.leftovers import remove_leftovers, temporary_prefix
from bcq_tf.files.paths import make_way


def write_atomically(path: str, chunks: Iterable) -> None:
    """Writes `chunks` (bytes-like) to `path`, replacing what is there.

    The bytes go to a temporary file in the same folder, which is renamed once they are on the
    disk. Whatever interrupts this, an existing file is whole and the temporary one is removed; that
    of a process that was killed, by the next one that writes to the folder.
    Where `path` is a symbolic link, the file that it points to is replaced. Folders that are
    missing are made.

    Raises:
        IsADirectoryError: `path` is a folder.
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
    with replacing_all([path], suffix) as (temporary,):
        yield temporary


@contextlib.contextmanager
def replacing_all(paths: Sequence[str], suffix: str = ".tmp") -> Iterator[list[str]]:
    """As `replacing`, for files that belong together: all are on the disk before the first rename.

    Only what strikes between two renames leaves a new file beside an old one.
    """
    given, paths = paths, [make_way(path) for path in paths]
    folders = [os.path.dirname(path) for path in paths]
    for folder in set(folders):
        remove_leftovers(folder)
    prefix = temporary_prefix()
    temporaries = [
        os.path.join(folder, f"{prefix}{uuid.uuid4().hex}{suffix}") for folder in folders
    ]
    try:
        yield temporaries
        for temporary in temporaries:
            _sync_file(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            os.replace(temporary, path)
        for folder in set(folders):
            _sync_folder(folder)
    except BaseException as error:  # KeyboardInterrupt too
        for temporary in temporaries:
            with contextlib.suppress(FileNotFoundError):
                os.remove(temporary)
        path = _path_of(error, dict(zip(temporaries, given, strict=True)))
        if path is None:
            raise
        if error.errno is None:  # NumPy's, say
            raise OSError(f"{error}: {path!r}") from error
        raise OSError(error.errno, error.strerror, path) from error  # of the errno's class


def _path_of(error: BaseException, given: dict[str, str]) -> str | None:
    # The path that the user gave of what was written, where an error of the system does not say it.
    if not isinstance(error, OSError) or error.filename not in (None, *given):
        return None
    return given.get(error.filename, next(iter(given.values())))


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
