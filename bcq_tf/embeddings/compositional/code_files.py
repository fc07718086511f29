"""`.codes` and `.codebook.npy`: compositional codes as the public programs exchange them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from bcq_tf.codes import CompositionalCodes
from bcq_tf.embeddings.vector_files.array import open_array
from bcq_tf.embeddings.word_table import check_words
from bcq_tf.files.atomic import replacing_all
from bcq_tf.files.file import FileFormatError
from bcq_tf.files.paths import as_path
from bcq_tf.shown import short

CODES, CODEBOOK = ".codes", ".codebook.npy"
_INDEXES = re.compile(rb"[0-9]{1,9}(?: [0-9]{1,9})*")
LONGEST_LINE = 1 << 17  # bytes
_LINES = 1 << 12  # read and written at once


def write_codes(
    prefix, codes: CompositionalCodes, words: Iterable[str] | None = None
) -> tuple[str, str]:
    """Writes `prefix`.codes and `prefix`.codebook.npy.

    The second is the codebooks as float32 [M K, D]. The first is text with a line for each row, in
    one of two public layouts: M integers with a space between; or the word, a tab and those.

    Args:
        prefix: of both paths; both files appear whole or neither.
        codes: to write; float16 codebooks are written as float32.
        words: R words, for the second layout.

    Returns:
        See `code_paths`.

    Raises:
        ValueError: `words` are not R, or one has a tab, the end of a line or a lone surrogate.
        TypeError: `codes` are of another kind, or `words` are not strings.
        OSError: a file cannot be written.
    """
    if not isinstance(codes, CompositionalCodes):
        raise TypeError(f"`codes` must be a CompositionalCodes. Received: {type(codes).__name__}")
    rows, dimensions = codes.shape
    words = None if words is None else _checked(words, rows)
    paths = code_paths(prefix)
    with replacing_all(paths) as (new_text, new_codebook):
        with open(new_text, "xb") as file:
            file.writelines(_chunks(codes.indexes(), words))
        with open(new_codebook, "xb") as file:
            np.save(file, codes.codebooks.reshape(-1, dimensions).astype(np.float32))
    return paths


def code_paths(prefix) -> tuple[str, str]:
    """The files that `write_codes` writes: `prefix`.codes and `prefix`.codebook.npy.

    Raises:
        TypeError: `prefix` is no path.
    """
    prefix = as_path("prefix", prefix)
    return prefix + CODES, prefix + CODEBOOK


def read_codes(prefix) -> tuple[CompositionalCodes, list[str] | None]:
    """Reads what `write_codes` or a public program wrote; which layout it is, the file tells.

    Codebooks of shape [M, K, D] are read too.

    Args:
        prefix: of `prefix`.codes and `prefix`.codebook.npy.

    Returns:
        (the codes, the words or None where the file has none).

    Raises:
        FileFormatError: a file is damaged, or they do not fit together; names the file, and the
            line from 1.
        OSError: a file cannot be read.
        TypeError: `prefix` is no path.
    """
    text, codebook = code_paths(prefix)
    codebooks = _read_codebook(codebook)
    indexes, words = _read_indexes(text)
    count = indexes.shape[1]
    if codebooks.ndim == 2 and len(codebooks) % count == 0:
        codebooks = codebooks.reshape(count, len(codebooks) // count, codebooks.shape[1])
    if codebooks.ndim != 3 or len(codebooks) != count:
        raise FileFormatError(
            f"'{codebook}' must be [M K, D] with M={count}, the indexes of a line of "
            f"'{text}'. Received: {list(codebooks.shape)}"
        )
    entries = codebooks.shape[1]
    wrong = np.argwhere(indexes >= entries)
    if wrong.size:
        row, m = wrong[0]
        raise FileFormatError(
            f"'{text}', line {row + 1}: an index must be below {entries}. "
            f"Received: {indexes[row, m]}"
        )
    try:
        return CompositionalCodes.of(indexes, codebooks), words
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"'{codebook}': {error}") from None


def _checked(words, rows: int) -> tuple[str, ...]:
    words = check_words(words)
    if len(words) != rows:
        raise ValueError(f"`words` must be {rows}, one for each row. Received: {len(words)}")
    for word in words:
        if "\t" in word or "\n" in word or "\r" in word:
            raise ValueError(f"`words` must have no tab and no end of a line. Received: {word!r}")
    return words


def _chunks(indexes: np.ndarray, words):
    for begin in range(0, len(indexes), _LINES):
        lines = [" ".join(map(str, row)) for row in indexes[begin : begin + _LINES].tolist()]
        if words is not None:
            own = words[begin : begin + _LINES]
            lines = [f"{word}\t{line}" for word, line in zip(own, lines, strict=True)]
        yield "".join(f"{line}\n" for line in lines).encode()


def _read_codebook(path: str) -> np.ndarray:
    codebook = open_array(path, FileFormatError)
    if codebook.dtype.kind != "f":
        raise FileFormatError(f"'{path}' must hold a float array. Received: {codebook.dtype}")
    with np.errstate(over="ignore"):  # an Inf is told of where all is put together
        return np.array(codebook, np.float16 if codebook.dtype == np.float16 else np.float32)


def _read_indexes(path: str) -> tuple[np.ndarray, list[str] | None]:
    # An array for each line would take a hundred times what the file does.
    parts, rows, words, count = [], [], [], None
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            place = f"'{path}', line {number}"
            word, row = _parse(line, place)
            if count:
                _check_as_before(place, row, word, count, bool(words))
            count = len(row)
            rows.append(row)
            words.extend([] if word is None else [word])
            if len(rows) == _LINES:
                parts.append(np.stack(rows))
                rows = []
    parts.extend([np.stack(rows)] if rows else [])
    if not parts:
        raise FileFormatError(f"'{path}' is empty")
    return np.concatenate(parts), words or None


def _check_as_before(place: str, row, word: str | None, count: int, has_words: bool) -> None:
    if len(row) != count:
        raise FileFormatError(
            f"{place}: must have {count} indexes as those before. Received: {len(row)}"
        )
    if (word is not None) != has_words:
        has = "no word, unlike" if word is None else "a word, unlike"
        raise FileFormatError(f"{place}: has {has} those before")


def _parse(line: bytes, place: str) -> tuple[str | None, np.ndarray]:
    if not line.endswith(b"\n"):
        raise FileFormatError(f"{place}: the file ends in the middle of it")
    if len(line) > LONGEST_LINE:
        raise FileFormatError(f"{place}: it is longer than {LONGEST_LINE} bytes")
    word, tab, numbers = line.rstrip(b"\r\n").rpartition(b"\t")
    if not _INDEXES.fullmatch(numbers):
        raise FileFormatError(
            f"{place}: must be indexes with a space between, after a word and a tab or alone. "
            f"Received: {short(line.decode('utf-8', 'replace'))}"
        )
    try:
        return word.decode() if tab else None, np.fromstring(numbers, np.uint32, sep=" ")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{place}: the word is not UTF-8 ({error.reason})") from None
