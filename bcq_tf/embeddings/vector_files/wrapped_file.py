"""What a file of word vectors is wrapped in, by its first bytes: gzip, zip, or another format."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
from collections.abc import Iterator

PACKED_SUFFIXES = (".gz", ".zip")
# Formats that are often taken for text or word2vec's: how they begin, and what to do.
_OTHERS = (
    (b"\xba\x16\x4f\x2f", "a fastText model, which has more than vectors: read its .vec file"),
    (b"\x93NUMPY", "an array of NumPy: its name must end with .npy, with the words beside it"),
    (b"\x89HDF", "an HDF5 file"),
    *((b"BZh%d1AY&SY" % level, "packed by bzip2: unpack it first") for level in range(1, 10)),
    (b"\xfd7zXZ", "packed by xz: unpack it first"),
    *(
        (
            bytes([0x80, protocol]),
            "a pickle, which could run code; gensim writes what can be read here by "
            "save_word2vec_format",
        )
        for protocol in range(2, 6)
    ),
)


class WrappingError(ValueError):
    """The file is wrapped in something that is not unwrapped here; the message says in what."""


@contextlib.contextmanager
def unwrapped(raw, name: str) -> Iterator:
    """The bytes in a file: it itself, gunzipped, or the only file in a zip file.

    Args:
        raw: an open file that can seek, at its begin.
        name: of the file; one that ends with .gz is taken for gzipped.

    Raises:
        WrappingError: it is of another format, or a zip file of several files.
    """
    start = raw.read(len(b"PK\x03\x04"))
    raw.seek(0)
    with contextlib.ExitStack() as stack:
        file = raw
        if name.endswith(".gz") or start.startswith(b"\x1f\x8b"):
            file = gzip.GzipFile(fileobj=raw)
        elif start == b"PK\x03\x04":
            file = stack.enter_context(_only_member(stack.enter_context(_zip_file(raw))))
        elif other := other_format(raw.read(16)):
            raise WrappingError(f"it is {other}")
        if file is raw:
            raw.seek(0)
        yield file


def other_format(start: bytes) -> str | None:
    """What bytes begin that are no word vectors; None where they may be."""
    return next((text for magic, text in _OTHERS if start.startswith(magic)), None)


def _zip_file(raw) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise WrappingError(f"the zip file is damaged ({error})") from None


def _only_member(packed: zipfile.ZipFile):
    names = [info.filename for info in packed.infolist() if not info.is_dir()]
    if len(names) != 1:
        shown = ", ".join(map(repr, names[:4])) + (", ..." if len(names) > 4 else "")
        raise WrappingError(
            f"it is a zip file of {len(names)} files ({shown}): unpack the one that is wanted"
        )
    try:
        return packed.open(names[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise WrappingError(f"the zip file cannot be unpacked ({error})") from None
