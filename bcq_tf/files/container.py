"""The bytes of a `.bcq.npy` file: `.npy` header, safetensors header, tensors, checksums.

docs/file-format.md has the layout. What the tensors mean is the concern of `bcq_tf.files.file`. The
header is written and read here and not by the safetensors package, which copies every tensor,
cannot align them, and accepts repeated keys; the tests hold that it reads our buffers.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from bcq_tf.files import strict_json
from bcq_tf.shown import short

try:
    import ml_dtypes
except ImportError:  # the runtime needs NumPy alone
    ml_dtypes = None

Value = TypeVar("Value")
VERSION = 1
ALIGNMENT = 64  # bytes; a cache line, and what .npy headers are padded to
NPY_HEADER_BYTES = 128
MAX_HEADER_BYTES = 16 << 20
MAX_TENSORS = 1 << 15
MAX_RANK = 32

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NOT_NUMPYS = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
if ml_dtypes is not None:
    DTYPES |= {code: np.dtype(getattr(ml_dtypes, name)) for code, name in _NOT_NUMPYS.items()}
_CODES = {dtype: code for code, dtype in DTYPES.items()}

# What np.save writes for a vector of bytes, its length left open.
_NPY_TEXT = "{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}"
_NPY_MAGIC = b"\x93NUMPY\x01\x00" + (NPY_HEADER_BYTES - 10).to_bytes(2, "little")
_NPY_PATTERN = re.compile(
    re.escape(_NPY_MAGIC)
    + re.escape(_NPY_TEXT.format("LENGTH").encode()).replace(b"LENGTH", rb"(\d{1,19})")
    + rb" *\n"
)

# The safetensors header, from its 8 length bytes on, begins like this; eight hexadecimal digits
# follow: the CRC-32 of all of it, with zeros in their place.
_HEADER_START = b'{"__metadata__":{"crc32":"'
_CRC = slice(8 + len(_HEADER_START), 8 + len(_HEADER_START) + 8)


class FileFormatError(ValueError):
    """A file that is damaged, forged, of another kind or of a newer version.

    Example:
        >>> np.save("plain.npy", np.zeros(3))
        >>> bcq_tf.read("plain.npy")
        Traceback (most recent call last):
            ...
        bcq_tf.files.container.FileFormatError: 'plain.npy' is not a whole bcq_tf file: ...
    """


def unique(pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """The weights of a file, (name, value), as a dict.

    Raises:
        FileFormatError: two have one name.
    """
    result = {}
    for name, value in pairs:
        if name in result:
            raise FileFormatError(f"it has two weights {short(name)}")
        result[name] = value
    return result


def dtype_code(dtype: np.dtype) -> str | None:
    """The safetensors name of a dtype of any byte order; None where there is none."""
    return _CODES.get(dtype.newbyteorder("<"))


def encode(tensors: Mapping[str, Sequence[np.ndarray]], document: dict) -> list:
    """The bytes of a file.

    Args:
        tensors: by name, the pieces of a tensor, which follow one another along axis 0 (one piece
            for a scalar); one dtype, of those that `dtype_code` knows.
        document: JSON-able, to come back from `decode`.

    Returns:
        A list of bytes-like chunks; the first two are the headers.

    Raises:
        ValueError: the header would be larger than a reader takes.
    """
    chunks = encode_safetensors(tensors, document)
    return [_npy_header(sum(map(len, chunks))), *chunks]


def encode_safetensors(tensors: Mapping[str, Sequence[np.ndarray]], document: dict) -> list:
    """The safetensors buffer in such a file, a safetensors file by itself, as `encode` does."""
    octets = {name: [_octets(piece) for piece in pieces] for name, pieces in tensors.items()}
    sizes = {name: sum(map(len, parts)) for name, parts in octets.items()}

    # Whole multiples of 64 bytes first, then falling item sizes: no gap is needed (safetensors
    # allows none), the first kind starts at multiples of 64 and the rest at multiples of its items.
    def order(name):
        return sizes[name] % ALIGNMENT != 0, -tensors[name][0].itemsize

    names = sorted(tensors, key=order)
    document = {"version": VERSION, "crc32": [_crc32(octets[n]) for n in names], **document}
    text = strict_json.dumps(document)
    _check_count(len(names), text)
    metadata = {"crc32": "0" * 8, "bcq_tf": text}
    header = _header({"__metadata__": metadata, **_entries(tensors, names, sizes)})
    return [header, *(part for name in names for part in octets[name])]


def decode(buffer: np.ndarray) -> tuple[dict, dict[str, np.ndarray]]:
    """Takes the bytes of a file apart. They may be hostile.

    Args:
        buffer: uint8 [n], the whole file.

    Returns:
        document: what `encode` was given.
        tensors: by name, views of `buffer`.

    Raises:
        FileFormatError: says what is wrong, and where; every single flipped bit is found.
    """
    _check_npy_header(buffer)
    body = buffer[NPY_HEADER_BYTES:]
    size = _header_size(body)
    entries = _parse("header", body[8:size].tobytes())
    if len(entries) > MAX_TENSORS + 1:
        raise FileFormatError(f"it has more than {MAX_TENSORS} tensors")
    metadata = entries.pop("__metadata__")
    if set(metadata) != {"crc32", "bcq_tf"} or not isinstance(metadata["bcq_tf"], str):
        raise FileFormatError("the header's metadata are not those of bcq_tf")
    document = _parse("document", metadata["bcq_tf"])
    checksums = _check_document(document, len(entries))
    return document, _decode_tensors(entries, checksums, body[size:])


def _check_count(tensors: int, document: str) -> None:
    # What a reader refuses.
    if tensors > MAX_TENSORS:
        raise ValueError(f"`tensors` must be at most {MAX_TENSORS} arrays. Received: {tensors}")
    try:
        strict_json.check_cost(document)
    except ValueError as error:
        raise ValueError(f"`metadata` and names must be fewer: {error}") from None


def _octets(piece: np.ndarray) -> np.ndarray:
    little = np.ascontiguousarray(piece, piece.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)


def _crc32(parts: Sequence[np.ndarray]) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _entries(tensors, names: list[str], sizes: dict[str, int]) -> dict:
    entries, end = {}, 0
    for name in names:
        pieces = tensors[name]
        shape = list(pieces[0].shape)
        if shape:
            shape[0] = sum(map(len, pieces))
        begin, end = end, end + sizes[name]
        code = dtype_code(pieces[0].dtype)
        entries[name] = {"dtype": code, "shape": shape, "data_offsets": [begin, end]}
    return entries


def _header(entries: dict) -> bytes:
    text = strict_json.dumps(entries).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(
            f"`metadata` and names must take at most {MAX_HEADER_BYTES} bytes as JSON. "
            f"Received: {len(text)} bytes"
        )
    header = len(text).to_bytes(8, "little") + text
    return header[: _CRC.start] + _header_crc(header) + header[_CRC.stop :]


def _header_crc(header: bytes) -> bytes:
    return b"%08x" % zlib.crc32(header[: _CRC.start] + b"0" * 8 + header[_CRC.stop :])


def _npy_header(size: int) -> bytes:
    text = _NPY_TEXT.format(size).encode()
    return _NPY_MAGIC + text.ljust(NPY_HEADER_BYTES - len(_NPY_MAGIC) - 1) + b"\n"


def _check_npy_header(buffer: np.ndarray) -> None:
    head = buffer[:NPY_HEADER_BYTES].tobytes()
    if head.startswith(b"\x93NUMPY") and b"'descr': '|O'" in head:
        raise FileFormatError(
            "it holds pickled Python objects, which are never run; where transformer_bcq wrote it, "
            "`bcq_tf.read_legacy` reads it"
        )
    match = _NPY_PATTERN.fullmatch(head)
    if match is None:
        raise FileFormatError("it does not begin with the .npy header of a vector of bytes")
    expected, present = int(match[1]), len(buffer) - NPY_HEADER_BYTES
    if expected != present:
        problem = "is cut short" if present < expected else "has bytes after its end"
        raise FileFormatError(f"it {problem}: {present} bytes where its header says {expected}")


def _header_size(body: np.ndarray) -> int:
    # Length bytes and text, together a multiple of 64; the checksum is compared.
    size = 8 + int.from_bytes(body[:8].tobytes(), "little")
    if len(body) < 8 or size > min(len(body), 8 + MAX_HEADER_BYTES) or size % ALIGNMENT:
        raise FileFormatError(f"the header cannot be {size - 8} bytes long")
    header = body[:size].tobytes()
    if not header[8:].startswith(_HEADER_START):
        raise FileFormatError("the header does not begin as that of a bcq_tf file")
    if header[_CRC] != _header_crc(header):
        raise FileFormatError("the header fails its checksum")
    return size


def _parse(what: str, text: str | bytes) -> dict:
    try:
        value = strict_json.loads(text)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
        raise FileFormatError(f"the {what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileFormatError(f"the {what} is not a JSON object")
    return value


def _check_document(document: dict, tensors: int) -> list[int]:
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise FileFormatError(f"the format version is {short(version)}")
    if version > VERSION:
        raise FileFormatError(
            f"its format version is {short(version)} and this bcq_tf reads up to {VERSION}: "
            "a newer bcq_tf is needed"
        )
    checksums = document.get("crc32")
    if not _are_counts(checksums) or len(checksums) != tensors:
        raise FileFormatError(f"the document does not have checksums of {tensors} tensors")
    return checksums


def _decode_tensors(entries: dict, checksums: list[int], data: np.ndarray) -> dict:
    tensors, end = {}, 0
    for (name, entry), checksum in zip(entries.items(), checksums, strict=True):
        dtype, shape, nbytes = _check_entry(name, entry)
        begin, end = end, end + nbytes
        if entry["data_offsets"] != [begin, end] or begin % dtype.itemsize or end > len(data):
            raise FileFormatError(
                f"tensor {short(name)} of {short(nbytes)} bytes cannot be at offsets "
                f"{short(entry['data_offsets'])}"
            )
        octets = data[begin:end]
        if zlib.crc32(octets) != checksum:
            raise FileFormatError(
                f"tensor {short(name)} fails its checksum (bytes {begin} to {end} of the data)"
            )
        if dtype.kind == "b" and np.any(octets > 1):
            raise FileFormatError(f"tensor {short(name)} has booleans other than 0 and 1")
        tensors[name] = octets.view(dtype).reshape(shape)
    if end != len(data):
        raise FileFormatError(f"the tensors take {end} of {len(data)} bytes of data")
    return tensors


def _check_entry(name: str, entry) -> tuple[np.dtype, list[int], int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"tensor {short(name)} needs dtype, shape and data_offsets")
    code, shape = entry["dtype"], entry["shape"]
    if isinstance(code, str) and code in _NOT_NUMPYS and code not in DTYPES:
        raise FileFormatError(f"tensor {short(name)} is {code}: the package ml_dtypes is needed")
    if not isinstance(code, str) or code not in DTYPES:
        raise FileFormatError(f"tensor {short(name)} has the unknown dtype {short(code)}")
    itemsize = DTYPES[code].itemsize
    # NumPy's limit holds for the dimensions that are not 0 even where the array is empty.
    legal = _are_counts(shape) and len(shape) <= MAX_RANK
    if not legal or math.prod(n or 1 for n in shape) * itemsize >= 2**63:
        raise FileFormatError(f"tensor {short(name)} has the impossible shape {short(shape)}")
    return DTYPES[code], shape, math.prod(shape) * itemsize


def _are_counts(value) -> bool:
    # `type` and not isinstance: JSON's true is no count.
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)
