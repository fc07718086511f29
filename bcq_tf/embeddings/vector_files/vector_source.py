"""`VectorSource`: the bytes of a file of word vectors, unpacked, and how far they are read."""

from __future__ import annotations

import contextlib
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator

from bcq_tf.embeddings.vector_files.wrapped_file import WrappingError, unwrapped
from bcq_tf.reports.progress import progress

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

    def __init__(self, path: str, raw, progress, file=None):
        self.path = path
        self.place = "line 1"
        self.notes: list[str] = []
        self._raw = raw
        self._file = raw if file is None else file
        self._progress = progress

    def error(self, message: str) -> VectorFileError:
        """The error to raise here."""
        return VectorFileError(f"'{self.path}', {self.place}: {message}")

    def read(self, count: int = BLOCK_BYTES) -> bytes:
        """At most `count` bytes, none at the end of the file.

        Raises:
            VectorFileError: the packed data is damaged.
        """
        parts, missing = [], count
        while missing:
            try:
                part = self._file.read1(missing)
            except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
                if parts:  # what came before is whole; the error comes again
                    break
                kind = "ends in the middle" if isinstance(error, EOFError) else "is damaged"
                packing = "zip" if isinstance(self._file, zipfile.ZipExtFile) else "gzip"
                raise self.error(f"the {packing} data {kind} ({error})") from None
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
    text = f"reading {os.path.basename(path)}"
    with open(path, "rb") as raw, progress(text, os.path.getsize(path), verbose) as show:
        try:
            with unwrapped(raw, path) as file:
                yield VectorSource(path, raw, show, file)
        except WrappingError as error:
            raise VectorFileError(f"'{path}': {error}") from None
