"""`CompressedVectors`: words and their vectors as codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bcq_tf.codes.kinds import is_codes, not_codes
from bcq_tf.embeddings.word_table import WordTable
from bcq_tf.files import file
from bcq_tf.files.file import FileFormatError

EMBEDDINGS, WORDS = "embeddings", "words"  # tensors of a file


class CompressedVectors(WordTable):
    """Words and the codes of their vectors; rows are dequantized when they are used.

    Args:
        words: n different strings.
        codes: `BinaryCodes`, `UniformCodes` or `CompositionalCodes` of shape [n, D].

    Raises:
        ValueError, TypeError: the parts do not fit together.

    Example:
        >>> matrix = np.eye(3, 32, dtype="float32")
        >>> codes = bcq_tf.embeddings.compress(matrix, "binary", bits=2)
        >>> vectors = bcq_tf.embeddings.CompressedVectors(["cat", "dog", "car"], codes)
        >>> nbytes = vectors.save("words.bcq.npy")
        >>> bcq_tf.embeddings.CompressedVectors.read("words.bcq.npy").vector("dog")[:4]
        array([0., 1., 0., 0.], dtype=float32)
    """

    def __init__(self, words: Iterable[str], codes):
        if not is_codes(codes):
            raise not_codes(codes)
        super().__init__(words, codes.shape)
        self.codes = codes

    @property
    def nbytes(self) -> int:
        """Bytes of the codes; the words take more."""
        return self.codes.nbytes

    def rows(self, ids) -> np.ndarray:
        """See `WordTable.rows`."""
        return self.codes.rows(ids)

    def blocks(self) -> Iterator[tuple[slice | np.ndarray, np.ndarray]]:
        """See `WordTable.blocks`."""
        return self.codes.blocks()

    def save(self, path) -> int:
        """Writes a `.bcq.npy` file: the codes as "embeddings", the words as "words", a uint8 array
        of their UTF-8 with line ends between them. Returns the file's bytes.

        Raises:
            ValueError: `path` does not end with ".bcq.npy", or a word has a line end.
            OSError: the file cannot be written.
        """
        for word in self.words:
            if "\n" in word:
                raise ValueError(f"`words` must have no line ends to be saved. Received: {word!r}")
        text = np.frombuffer("\n".join(self.words).encode("utf-8"), np.uint8)
        return file.save(path, {EMBEDDINGS: self.codes, WORDS: text})

    @classmethod
    def read(cls, path) -> CompressedVectors:
        """Reads a file that `save` wrote; the codes stay mapped to it.

        Raises:
            FileFormatError: the file is damaged or holds no word vectors. It is a ValueError.
            OSError: it cannot be read.
        """
        opened = file.read(path)
        if not is_codes(opened.get(EMBEDDINGS)) or not _is_text(opened.get(WORDS)):
            raise FileFormatError(f"'{opened.path}' holds no compressed word vectors")
        try:
            words = opened[WORDS].tobytes().decode("utf-8").split("\n")
            return cls(words, opened[EMBEDDINGS])
        except ValueError as error:  # UnicodeDecodeError too
            raise FileFormatError(f"'{opened.path}', words: {error}") from None

    def __repr__(self) -> str:
        return f"CompressedVectors({self.codes!r})"


def _is_text(array) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim == 1
