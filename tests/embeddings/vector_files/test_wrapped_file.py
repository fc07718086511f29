"""Packed files are read whatever their names; files that only look like word vectors are named."""

import bz2
import gzip
import lzma
import pickle
import struct
import zipfile

import numpy as np
import pytest

from bcq_tf.embeddings import VectorFileError, WordVectors, read_vectors, write_vectors
from tests.embeddings.vector_files.conftest import (
    GLOVE,
    NUMBERS,
    WORDS,
    assert_same,
    binary,
    some_vectors,
)


def zipped(path, members: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.vec", "a.dat", "a.bin"])
def test_gzip_is_known_by_its_bytes(tmp_path, name):
    data = binary() if name == "a.bin" else GLOVE
    (tmp_path / name).write_bytes(gzip.compress(data))
    assert_same(read_vectors(tmp_path / name), WordVectors(WORDS, NUMBERS))


@pytest.mark.parametrize("name", ["glove.zip", "a.vec.zip", "a.txt", "a.bin.zip"])
def test_the_only_file_in_a_zip_file_is_read(tmp_path, name):
    data = binary() if "bin" in name else GLOVE
    path = zipped(tmp_path / name, {"folder/": b"", "folder/inside": data})
    assert_same(read_vectors(path), WordVectors(WORDS, NUMBERS))


def test_of_several_files_in_a_zip_file_none_is_chosen(tmp_path):
    path = zipped(tmp_path / "glove.6B.zip", {f"glove.6B.{d}d.txt": GLOVE for d in (50, 100)})
    with pytest.raises(VectorFileError) as raised:
        read_vectors(path)
    assert str(raised.value) == (
        f"'{path}': it is a zip file of 2 files ('glove.6B.50d.txt', 'glove.6B.100d.txt'): "
        "unpack the one that is wanted"
    )


@pytest.mark.parametrize("cut", [3, 60, 150])
def test_a_damaged_zip_file_is_named(tmp_path, cut):
    path = zipped(tmp_path / "a.zip", {"a.txt": GLOVE})
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(VectorFileError, match=r"a.zip': the zip file is damaged"):
        read_vectors(path)


def test_a_zip_file_whose_data_are_damaged_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.txt": GLOVE})
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)
    with pytest.raises(VectorFileError, match=r"a.zip', line 1: the zip data is damaged"):
        read_vectors(path)


FASTTEXT = struct.pack("<ii", 793712314, 12) + bytes(64)
OTHERS = {
    "cc.en.300.bin": (FASTTEXT, "it is a fastText model, .* read its .vec file"),
    "a.txt": (FASTTEXT, "it is a fastText model"),
    "a.kv": (pickle.dumps({"vectors": [1.0]}), "it is a pickle, .* by save_word2vec_format"),
    "old.model": (pickle.dumps([1], 2), "it is a pickle"),
    "a.bz2": (bz2.compress(GLOVE), "it is packed by bzip2: unpack it first"),
    "a.txt.xz": (lzma.compress(GLOVE), "it is packed by xz: unpack it first"),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "it is an HDF5 file"),
    "a.kv.gz": (gzip.compress(pickle.dumps([1])), "it holds a pickle"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_one_line_with_the_remedy(tmp_path, name):
    data, message = OTHERS[name]
    (tmp_path / name).write_bytes(data)
    for format in (None, "glove", "word2vec-binary"):
        with pytest.raises(VectorFileError, match=f"{name}': {message}") as raised:
            read_vectors(tmp_path / name, format=format)
        assert "\n" not in str(raised.value)


def test_arrays_of_numpy_must_be_named_so(tmp_path):
    np.save(tmp_path / "a.npy", NUMBERS)
    (tmp_path / "a.npy").rename(tmp_path / "a.dat")
    np.savez(tmp_path / "a.npz", vectors=NUMBERS)
    for name, verb in (("a.dat", "is"), ("a.npz", "holds")):
        with pytest.raises(VectorFileError, match=f"it {verb} an array of NumPy: its name must"):
            read_vectors(tmp_path / name)


def test_words_may_begin_as_packed_files_do(read):
    text = b"PK 1 2\nBZh9 3 4\nBZh 5 6\n"
    assert read(text).words == ("PK", "BZh9", "BZh")
    assert read(text.split(b"\n", 1)[1]).words == ("BZh9", "BZh")


def test_zip_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must not end with \.zip; \.gz is written"):
        write_vectors(tmp_path / "a.txt.zip", some_vectors())
