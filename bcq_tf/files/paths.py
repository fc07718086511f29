"""Paths as callers give them, and where files are written: missing folders are made."""

from __future__ import annotations

import errno
import os


def as_path(name: str, path) -> str:
    """`path`, a string, bytes or path object, as a string.

    Raises:
        TypeError: it is none of these; the error calls it `name`.
    """
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"`{name}` must be a path. Received: {type(path).__name__}") from None


def check_writable(path) -> str:
    """Raises, before any work, unless a file or folder can be put at `path`.

    Args:
        path: of what will be written. Its folders need not exist.

    Returns:
        The path with its links followed.

    Raises:
        IsADirectoryError: a folder stands there.
        NotADirectoryError: `path` leads through a file.
        PermissionError: nothing can be written there.
    """
    path = os.path.realpath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "Is a folder", path)
    folder = os.path.dirname(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, "Is no folder", folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "No file can be written in the folder", folder)
    return path


def make_way(path) -> str:
    """`check_writable`, then makes the folders that `path` lies in."""
    path = check_writable(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
