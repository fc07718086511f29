"""`.bcq.npy` files: `save` and `read`. docs/file-format.md has the format."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import stat
import types
from collections.abc import Mapping

import numpy as np

from bcq_tf.files import container, strict_json
from bcq_tf.files.atomic import write_atomically
from bcq_tf.files.container import FileFormatError
from bcq_tf.files.paths import as_path, check_writable
from bcq_tf.files.stored_values import Value, put_together, take_apart
from bcq_tf.shown import short

__all__ = ["SUFFIX", "FileFormatError", "QuantizedFile", "check_output", "read", "save", "size"]

SUFFIX = ".bcq.npy"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class QuantizedFile(Mapping):
    """What `read` returns: a read-only mapping from names to codes and arrays.

    The arrays are read-only views of the file, mapped into memory: their pages come from the disk
    when they are used, and the mapping lives as long as an array does. `save` to the same path
    leaves them as they were; a program that changes the file in place changes them too, and one
    that cuts it ends this process. `read(path, mapped=False)` has neither.

    Attributes:
        path: where it was read.
        weights: the mapping itself.
        metadata: the dict that was saved, as JSON gives it back (tuples are lists).
        buffer: the bytes of the file, uint8.
    """

    path: str
    weights: Mapping[str, Value]
    metadata: dict
    buffer: np.ndarray

    @property
    def nbytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.buffer)

    def __getitem__(self, name: str) -> Value:
        return self.weights[name]

    def __iter__(self):
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        return f"QuantizedFile({self.path!r}, {len(self)} weights, {self.nbytes} bytes)"


def save(path, tensors: Mapping, metadata: dict | None = None) -> int:
    """Writes codes and arrays to one file. Equal arguments give equal bytes.

    The file appears whole or not at all: an error or interrupt leaves what was at `path`.

    Args:
        path: where to write; must end with ".bcq.npy". Folders that are missing are made.
        tensors: by name, `BinaryCodes` (all scales of one of them of one dtype), `UniformCodes`,
            `CompositionalCodes`, and arrays of any shape, floating (bfloat16 and float8 of
            ml_dtypes too), integer or boolean.
        metadata: a dict that JSON can hold: string keys, finite numbers.

    Returns:
        Size of the file in bytes.

    Raises:
        TypeError, ValueError: an argument breaks its rule; nothing has been written.
        OSError: the file cannot be written.

    Example:
        >>> codes = bcq_tf.quantize(np.eye(32), bits=2)
        >>> nbytes = bcq_tf.save("tensors.bcq.npy", {"kernel": codes, "bias": np.zeros(32)})
        >>> sorted(bcq_tf.read("tensors.bcq.npy"))
        ['bias', 'kernel']
    """
    path = _checked_name(path)
    chunks = _encode(tensors, metadata)
    write_atomically(path, chunks)
    return sum(map(len, chunks))


def check_output(path, name: str = "path") -> None:
    """Raises, before any work, what `save` would for its `path`, here the argument `name`."""
    check_writable(_checked_name(path, name))


def _checked_name(path, name: str = "path") -> str:
    """`path` as a string; raises TypeError, ValueError unless it is one that `save` takes."""
    path = as_path(name, path)
    if not path.endswith(SUFFIX):
        raise ValueError(f"`{name}` must end with {SUFFIX!r}. Received: {name}={path!r}")
    return path


def size(tensors: Mapping, metadata: dict | None = None) -> int:
    """The bytes that `save` would write. Arguments and errors as there."""
    return sum(map(len, _encode(tensors, metadata)))


def encode(tensors: Mapping, metadata: dict | None = None) -> bytes:
    """What `save` would write. Arguments and errors as there."""
    return b"".join(_encode(tensors, metadata))


def _encode(tensors: Mapping, metadata: dict | None) -> list:
    if not isinstance(tensors, Mapping):
        raise TypeError(f"`tensors` must be a mapping. Received: {type(tensors).__name__}")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise TypeError(f"`metadata` must be a dict. Received: {type(metadata).__name__}")
    strict_json.check(metadata, "`metadata`")
    parts, weights = {}, {}
    for name, value in tensors.items():
        _check_name(name)
        weights[name], named = take_apart(name, value)
        _add_parts(parts, named)
    return container.encode(parts, {"weights": weights, "metadata": metadata})


def read(path, *, mapped: bool = True) -> QuantizedFile:
    """Reads a file that `save` wrote. Every checksum is compared.

    The file may be hostile: nothing in it is run, and no length in it is believed.

    Args:
        path: the file, of any name.
        mapped: whether the arrays are views of the file, as `QuantizedFile` says, or in memory,
            where no other program can reach them.

    Returns:
        A mapping from names to codes and arrays, in the order in which they were saved.

    Raises:
        FileFormatError: the file is damaged, of another kind or of a newer version; says what and
            where.
        FileNotFoundError, OSError: it cannot be opened.

    Example:
        >>> nbytes = bcq_tf.save("tensors.bcq.npy", {"kernel": bcq_tf.quantize(np.eye(32), bits=2)})
        >>> opened = bcq_tf.read("tensors.bcq.npy")
        >>> opened["kernel"].bits, opened.nbytes == nbytes
        (2, True)
    """
    path = as_path("path", path)
    try:
        buffer = _map(path) if mapped else _load(path)
        document, parts = container.decode(buffer)
        weights = _put_together(document, parts)
    except FileFormatError as error:
        raise FileFormatError(f"'{path}' is not a whole bcq_tf file: {error}") from None
    return QuantizedFile(path, types.MappingProxyType(weights), document["metadata"], buffer)


def _map(path: str) -> np.ndarray:
    with _open(path) as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def _load(path: str) -> np.ndarray:
    with _open(path) as file:
        return np.frombuffer(file.read(), np.uint8)


@contextlib.contextmanager
def _open(path: str):
    # The kind is looked at first, as opening a pipe would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FileFormatError("it is not a regular file")
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise FileFormatError("it is empty")
        yield file


def _check_name(name) -> None:
    if not isinstance(name, str):
        raise TypeError(f"`tensors` must have strings as keys. Received: {name!r}")
    # Printable, as lone surrogates, which are not, have no UTF-8 form.
    if not name or not name.isprintable() or name == "__metadata__":
        raise ValueError(f"`tensors` must have printable names. Received: {name!r}")


def _add_parts(parts: dict, named: dict) -> None:
    for name, pieces in named.items():
        if name in parts:
            raise ValueError(
                f"`tensors` must have names that differ from the parts of codes. Received: '{name}'"
            )
        parts[name] = pieces


def _put_together(document: dict, parts: dict) -> dict[str, Value]:
    weights, metadata = document.get("weights"), document.get("metadata")
    if not isinstance(weights, dict) or not isinstance(metadata, dict):
        raise FileFormatError("the document lacks weights or metadata")
    result = {name: put_together(name, entry, parts) for name, entry in weights.items()}
    if parts:
        raise FileFormatError(f"tensor {short(next(iter(parts)))} belongs to no weight")
    return result
