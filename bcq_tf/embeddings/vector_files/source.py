"""The bytes of files of word vectors: read unpacked, written packed."""

from __future__ import annotations

import contextlib
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator

from bcq_tf.reports.progress import progress

PACKED_SUFFIXES = (".gz", ".zip")
BLOCK_BYTES = 1 << 20
LONGEST_LINE = 1 << 20  # bytes; 16,384 numbers take less than half
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_PICKLE = (
    "a pickle, which could run code; gensim writes what can be read here by save_word2vec_format"
)
# Formats that are often taken for text or word2vec's: how they begin, and what to do.
_OTHERS = (
    (b"\xba\x16\x4f\x2f", "a fastText model, which has more than vectors: read its .vec file"),
    (b"\x93NUMPY", "an array of NumPy: its name must end with .npy, with the words beside it"),
    (b"\x89HDF", "an HDF5 file"),
    *((b"BZh%d1AY&SY" % level, "packed by bzip2: unpack it first") for level in range(1, 10)),
    (b"\xfd7zXZ", "packed by xz: unpack it first"),
    *((bytes([0x80, protocol]), _PICKLE) for protocol in range(2, 6)),
)


class VectorFileError(ValueError):
    """A file of word vectors is damaged or of another format. One line names the file and place."""


class VectorSource:
    """The bytes of a file of word vectors, and how far they are read.

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
    """A `VectorSource` of a file: gunzipped, where its name or its bytes say so, or the only one
    in a zip file; with a bar of progress where `verbose` asks for one.

    Raises:
        VectorFileError: it is of another format, or a zip file of several files.
    """
    text = f"reading {os.path.basename(path)}"
    with open(path, "rb") as raw, progress(text, os.path.getsize(path), verbose) as show:
        start = raw.read(16)
        raw.seek(0)
        if path.endswith(".gz") or start.startswith(_GZIP):
            yield VectorSource(path, raw, show, gzip.GzipFile(fileobj=raw))
        elif start.startswith(_ZIP):
            with _zip_file(path, raw) as packed, _only_member(path, packed) as file:
                yield VectorSource(path, raw, show, file)
        elif other := other_format(start):
            raise VectorFileError(f"'{path}': it is {other}")
        else:
            yield VectorSource(path, raw, show)


def other_format(start: bytes) -> str | None:
    """What bytes begin that are no word vectors; None where they may be."""
    return next((text for magic, text in _OTHERS if start.startswith(magic)), None)


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


def _zip_file(path: str, raw) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise VectorFileError(f"'{path}': the zip file is damaged ({error})") from None


def _only_member(path: str, packed: zipfile.ZipFile):
    names = [info.filename for info in packed.infolist() if not info.is_dir()]
    if len(names) != 1:
        shown = ", ".join(map(repr, names[:4])) + (", ..." if len(names) > 4 else "")
        raise VectorFileError(
            f"'{path}': it is a zip file of {len(names)} files ({shown}): "
            "unpack the one that is wanted"
        )
    try:
        return packed.open(names[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise VectorFileError(f"'{path}': the zip file cannot be unpacked ({error})") from None
