"""Writing a file so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import socket
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence

from bcq_tf.files.paths import make_way

# Of temporary files: machine and process of the writer are in them.
_NAME = re.compile(r"\.bcq-([0-9a-f]{8})-(\d+)-[0-9a-f]{32}\.")
_OLD = 24 * 3600  # seconds; nobody writes one file for a day


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

    As `write_atomically`, for what writes a file, or a folder where there is none, by its name.

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
        _remove_leftovers(folder)
    prefix = f".bcq-{_machine(os.getpid())}-{os.getpid()}-"
    temporaries = [
        os.path.join(folder, f"{prefix}{uuid.uuid4().hex}{suffix}") for folder in folders
    ]
    try:
        yield temporaries
        for temporary in temporaries:
            _sync(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            os.replace(temporary, path)
        for folder in set(folders):
            _sync_folder(folder)
    except BaseException as error:  # KeyboardInterrupt too
        for temporary in temporaries:
            _remove(temporary)
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


def _sync(path: str) -> None:
    if os.path.isdir(path):
        for name in os.listdir(path):
            _sync(os.path.join(path, name))
        return
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.remove(path)


def _sync_folder(folder: str) -> None:
    # The rename is lasting only when the folder is on the disk. Windows cannot open folders.
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: str) -> None:
    # Temporary files in `folder` whose writer is dead, or that are a day old. Writers on other
    # machines that share the folder cannot be asked, so only age counts there.
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.match(entry.name)
            if match and (_is_dead(match[1], int(match[2])) or _is_old(entry)):
                with contextlib.suppress(OSError):
                    _remove(entry.path)


def _is_dead(machine: str, process: int) -> bool:
    # On Windows, where `os.kill` would end the process, nobody is known to be dead.
    if machine != _machine(os.getpid()) or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _is_old(entry: os.DirEntry) -> bool:
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD
    except OSError:
        return False


@functools.cache
def _machine(process: int) -> str:
    # Within which process numbers mean the same: a host since its start, a container.
    # process: this one, so that a fork, which may be in another container, looks again.
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(' '.join(parts).encode()):08x}"
