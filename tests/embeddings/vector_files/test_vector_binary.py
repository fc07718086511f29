"""word2vec's binary format: what is damaged is named with its word."""

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors
from tests.embeddings.vector_files.conftest import NUMBERS, WORDS, assert_same, binary


def test_binary_without_line_ends_and_without_its_suffix(read):
    data = binary(end=b"")
    assert_same(read(data, format="word2vec-binary"), WordVectors(WORDS, NUMBERS))
    assert_same(read(data, "a.dat"), WordVectors(WORDS, NUMBERS))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the header: it must be two integers in a line"),
        (b"3 x\n", "the header: it must be two integers in a line"),
        (binary()[:-8], "word 3: the file ends before the last of 3 words is whole"),
        (binary(header=b"4 4\n"), "word 4: the file ends before the last of 4 words is whole"),
        (binary(header=b"2 4\n"), "word 3: the file goes on after the 2 words of its header"),
        (binary(header=b"9999999999 1048576\n"), "word 1: the file ends before"),
        (binary().replace(b"of", b"\xe9f"), r"word 3: the word b'\xe9f' is no UTF-8"),
        (binary().replace(NUMBERS[1, 2].tobytes(), np.float32("nan").tobytes()),
         "word 2: number 3 is NaN"),
        (b"1 1\n" + b"x" * 100_000, "word 1: the word is longer than 65536 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_damaged_binary_is_named_with_its_word(read, data, message):
    with pytest.raises(VectorFileError) as raised:
        read(data, "a.bin")
    assert f"a.bin', {message}" in str(raised.value)
