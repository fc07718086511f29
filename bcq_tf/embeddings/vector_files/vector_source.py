"""`VectorSource`: the bytes of a file of word vectors, gunzipped, and how far they are read."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator

BLOCK_BYTES = 1 << 20
LONGEST_LINE = 1 << 20  # bytes; 16,384 numbers take less than half


class VectorFileError(ValueError):
    """A file of word vectors is damaged or of another format. One line names the file and place."""


class VectorSource:
    """The bytes of a file of word vectors.

    Attributes:
        path: of the file.
        place: where the reader is, such as "line 12"; its owner moves it on.
        notes: what the user is to be warned of.
    """

    def __init__(self, path: str, raw, progress):
        self.path = path
        self.place = "line 1"
        self.notes: list[str] = []
        self._raw = raw
        self._file = gzip.GzipFile(fileobj=raw) if path.endswith(".gz") else raw
        self._progress = progress

    def error(self, message: str) -> VectorFileError:
        """The error to raise here."""
        return VectorFileError(f"'{self.path}', {self.place}: {message}")

    def read(self, count: int = BLOCK_BYTES) -> bytes:
        """At most `count` bytes, none at the end of the file.

        Raises:
            VectorFileError: the gzip data is damaged.
        """
        parts, missing = [], count
        while missing:
            try:
                part = self._file.read1(missing)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                if parts:  # what came before is whole; the error comes again
                    break
                kind = "ends in the middle" if isinstance(error, EOFError) else "is damaged"
                raise self.error(f"the gzip data {kind} ({error})") from None
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        self._progress(self._raw.tell())
        return b"".join(parts)

    def peek(self, count: int) -> bytes:
        """The first bytes, at most `count`; nothing may have been read yet."""
        block = self.read(count)
        self._file.seek(0)
        return block

    def line_blocks(self) -> Iterator[tuple[list[bytes], bool]]:
        """Yields the lines that each block of bytes ends, and whether a line end is missing.

        Raises:
            VectorFileError: a line is so long that the file is of another kind.
        """
        rest = b""
        while block := self.read():
            *lines, rest = (rest + block).split(b"\n")
            if lines:
                yield lines, False
            if len(rest) > LONGEST_LINE:
                raise self.error(f"a line is longer than {LONGEST_LINE} bytes")
        if rest:
            yield [rest], True


@contextlib.contextmanager
def open_source(path: str, verbose: bool) -> Iterator[VectorSource]:
    """A `VectorSource` of a file, with a bar of progress where `verbose` asks for one."""
    with open(path, "rb") as raw, _progress(os.path.getsize(path), path, verbose) as progress:
        yield VectorSource(path, raw, progress)


@contextlib.contextmanager
def _progress(total: int, path: str, verbose: bool):
    if not verbose:
        yield lambda position: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(os.path.basename(path)), total=total)
        yield lambda position: bar.update(task, completed=position)
