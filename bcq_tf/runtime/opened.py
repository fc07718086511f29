"""`open`: a file as the weights that compute from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bcq_tf.config import check_integer
from bcq_tf.files import file
from bcq_tf.runtime.weights import CLASSES, Weight
from bcq_tf.shown import short

MOST_THREADS = 1024


class Opened(Mapping):
    """A file as a read-only mapping from names to weights, and to arrays where there are no codes.

    A weight is made ready for products when it is first asked for. The weights of a model may be
    asked for by what follows the position in their name, too, where no other ends alike:
    "decoder/ffn/kernel" for "12:decoder/ffn/kernel".

    Attributes:
        path: where the file is.
        metadata: what was saved beside the weights.
        threads: how many each product may use; None: one for each core.
        buffer: the bytes of the file, uint8.
    """

    def __init__(self, path, threads: int | None = None):
        if threads is not None:
            check_integer("threads", threads, 1, MOST_THREADS)
        self._file = file.read(path)
        self.threads = threads
        self._ready: dict[str, Weight | np.ndarray] = {}
        self._full_names = _full_names(self._file)
        self.path, self.metadata = self._file.path, self._file.metadata
        self.buffer = self._file.buffer

    def __getitem__(self, name: str) -> Weight | np.ndarray:
        full = name if name in self._file else self._full_names.get(name)
        if full is None:
            raise KeyError(_unknown(name, self._file))
        if full not in self._ready:
            value = self._file[full]
            made = CLASSES.get(type(value))
            self._ready[full] = value if made is None else made(value, self.threads)
        return self._ready[full]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)

    def __repr__(self) -> str:
        return f"Opened({self.path!r}, {len(self)} weights)"


def open(path, threads: int | None = None) -> Opened:
    """The weights of a `.bcq.npy` file, ready to compute with.

    Args:
        path: of the file, which is mapped into memory; see `bcq_tf.read`.
        threads: how many each product may use, 1 to 1024; None: one for each core. They are made
            once a process.

    Raises:
        FileFormatError: it is no whole file of this library.
        OSError: it cannot be read.
        TypeError, ValueError: `threads` breaks its rule.

    Example:
        >>> bcq_tf.save("w.bcq.npy", {"w": bcq_tf.quantize(np.eye(64), bits=2)})
        >>> runtime.open("w.bcq.npy")["w"].matmul(np.ones((1, 64), "float32")).shape
        (1, 64)
    """
    return Opened(path, threads)


def _full_names(names: Mapping) -> dict[str, str]:
    # By what follows the position in a name, where it is one name's alone.
    labels = [(name.partition(":")[2], name) for name in names]
    count = {}
    for label, _ in labels:
        count[label] = count.get(label, 0) + 1
    return {label: name for label, name in labels if label and count[label] == 1}


def _unknown(name, names: Mapping) -> str:
    some = ", ".join(short(each) for each in list(names)[:5])
    more = ", ..." if len(names) > 5 else ""
    return f"`name` must be one of {len(names)} weights: {some}{more}. Received: {short(name)}"
