"""A second writer of the format, which writes what it is told, with checksums that are right."""

import json
import zlib

import numpy as np

from bcq_tf.files.container import DTYPES

CODES = {"kind": "codes", "columns": 5, "group_size": None, "rows": [2, 1], "offset": False,
         "row_order": False}  # fmt: skip
ARRAY = {"kind": "array"}


def npy(body, size=None):
    size = len(body) if size is None else size
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + text.encode() + body


def forge(tensors=(), weights=None, text=None, data=None, **document):
    """Bytes of a file; tensors: (name, array) or (name, array, fields of its entry)."""
    entries, blob = {}, b""
    for name, array, *changes in tensors:
        code = next(code for code, dtype in DTYPES.items() if dtype == array.dtype)
        offsets = [len(blob), len(blob) + array.nbytes]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": offsets}
        entries[name].update(*changes)
        blob += array.tobytes()
    crc32 = [zlib.crc32(array) for _, array, *_ in tensors]
    weights = {t[0]: ARRAY for t in tensors} if weights is None else weights
    document = {"version": 1, "crc32": crc32, "weights": weights, "metadata": {}} | document
    document = {key: value for key, value in document.items() if value is not ...}
    if text is None:
        text = json.dumps({"__metadata__": {"bcq_tf": json.dumps(document)}} | entries)
    return seal(text, blob if data is None else data)


def seal(text, data=b"", separators=(", ", ": ")):
    """Puts checksum, padding and `.npy` header around the text of a safetensors header."""
    text = text.encode() if isinstance(text, str) else text
    text = text.replace(b'{"__metadata__": {', b'{"__metadata__":{"crc32":"00000000",', 1)
    text += b" " * (-(len(text) + 8) % 64)
    header = len(text).to_bytes(8, "little") + text
    return npy(header.replace(b"00000000", b"%08x" % zlib.crc32(header), 1) + data)


def many_tensors(count):
    """A file of so many empty arrays, without spaces between what it says of them."""
    entries = {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    document = {"version": 1, "crc32": [0] * count, "weights": {}, "metadata": {}}
    metadata = {"__metadata__": {"bcq_tf": json.dumps(document)}}
    return seal(json.dumps(metadata | entries))


def document_text(text):
    return json.dumps({"__metadata__": {"bcq_tf": text}})


def codes_file(entry=(), **changes):
    """A file of the codes `CODES`, with changed tensors (None: without it) and entry."""
    tensors = {
        "planes": np.array([[3], [8], [31]], np.uint32),
        "scales": np.array([[1], [2], [3]], np.float16),
    } | changes
    named = [(f"w/{part}", array) for part, array in tensors.items() if array is not None]
    named.sort(key=lambda item: -item[1].itemsize)
    return forge(named, {"w": CODES | dict(entry)})


def other_file(kind, entry, tensors):
    """A file of one weight of this kind; ... stands for a field, None for a tensor, left out."""
    named = [(f"w/{part}", array) for part, array in tensors.items() if array is not None]
    named.sort(key=lambda item: -item[1].itemsize)
    entry = {key: value for key, value in entry.items() if value is not ...}
    return forge(named, {"w": {"kind": kind} | entry})


def uniform_file(entry=(), **changes):
    """A file of uniform codes with changed tensors and entry."""
    facts = {"bits": 3, "columns": 4, "limit": 0.5, "zero_rows": False}
    tensors = {"packed": np.arange(4, dtype=np.uint8).reshape(2, 2)}
    return other_file("uniform", facts | dict(entry), tensors | changes)


def compositional_file(entry=(), **changes):
    """A file of compositional codes with changed tensors and entry."""
    tensors = {
        "packed": np.array([[0], [1], [2]], np.uint8),
        "codebooks": np.ones((1, 3, 2), np.float32),
    }
    return other_file("compositional", dict(entry), tensors | changes)
