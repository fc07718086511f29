"""The temporary files of writers that were killed: how they are known, when they are removed."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
import time
import zlib

_OLD = 24 * 3600  # seconds; nobody writes one file for a day
_NAME = re.compile(r"\.bcq-([0-9a-f]{8})-(\d+)-[0-9a-f]{32}\.")


def temporary_prefix() -> str:
    """How the names of this process's temporary files begin: machine and process are in them."""
    return f".bcq-{_machine(os.getpid())}-{os.getpid()}-"


def remove_leftovers(folder: str) -> None:
    """Removes temporary files of ours in `folder` whose writer is dead, or that are a day old.

    Writers on other machines that share the folder cannot be asked, so only age counts there.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.match(entry.name)
            if match and (_is_dead(match[1], int(match[2])) or _is_old(entry)):
                with contextlib.suppress(OSError):
                    os.remove(entry.path)


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
