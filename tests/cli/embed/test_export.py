"""`embed export` writes files that the library reads back, and overwrites none that it reads."""

import os
import shutil

import numpy as np
import pytest

from bcq_tf.embeddings import CompressedVectors, read_codes, read_vectors

from .conftest import COLUMNS, ROWS, WORDS


@pytest.mark.parametrize(("name", "format"), [("a.txt", None), ("a.vec", "word2vec"),
                         ("a.bin", None), ("a.npy", None), ("a.txt.gz", None)])  # fmt: skip
@pytest.mark.parametrize("method", ["uniform", "compositional"])
def test_export_dequantizes(files, run_json, tmp_path, name, format, method):
    words = ["--format", format] if format else []
    source = files / f"{method}.bcq.npy"
    shown = run_json("embed", "export", source, tmp_path / name, *words)
    paths = [tmp_path / name] + [tmp_path / "a.vocab"] * (name == "a.npy")
    assert shown["paths"] == [str(path) for path in paths]
    assert shown["nbytes"] == [path.stat().st_size for path in paths]
    found = read_vectors(tmp_path / name)
    assert found.words == files.vectors.words
    np.testing.assert_array_equal(found.matrix, CompressedVectors.read(source).codes.reconstruct())


@pytest.mark.parametrize(("format", "words"), [("codes", None), ("word-codes", WORDS)])
def test_export_of_codes(files, run, tmp_path, format, words):
    source = files / "compositional.bcq.npy"
    text = run("embed", "export", source, tmp_path / "out", "--format", format)
    assert [line.split()[1] for line in text.splitlines()] == [
        f"{tmp_path}/out.codes,", f"{tmp_path}/out.codebook.npy,"]  # fmt: skip
    codes, found = read_codes(tmp_path / "out")
    assert found == words
    expected = CompressedVectors.read(source).codes
    np.testing.assert_array_equal(codes.indexes(), expected.indexes())
    np.testing.assert_array_equal(codes.codebooks, expected.codebooks.astype(np.float32))


def test_codes_may_begin_with_the_name_of_a_folder(files, run, tmp_path):
    (tmp_path / "out").mkdir()
    run("embed", "export", files / "compositional.bcq.npy", tmp_path / "out", "--format", "codes")
    assert read_codes(tmp_path / "out")[0].shape == (ROWS, COLUMNS)


@pytest.mark.parametrize(
    ("name", "words", "written"),
    [
        ("in.codebook.npy", ["in", "--format", "codes"], "in.codebook.npy"),
        ("in.codes", ["in", "--format", "word-codes"], "in.codes"),
        ("in.vocab", ["in.npy"], "in.vocab"),
        ("in.vocab", ["in", "--format", "npy"], "in.vocab"),
        ("in.txt", ["./in.txt"], "./in.txt"),
    ],
)
def test_export_keeps_what_it_reads(files, fail, monkeypatch, tmp_path, name, words, written):
    monkeypatch.chdir(tmp_path)
    shutil.copy(files / "compositional.bcq.npy", name)
    message = fail("embed", "export", name, *words)
    assert f"`OUT` must not be a file that is read. Received: {written}" in message
    assert os.listdir() == [name]
    assert CompressedVectors.read(name).words == files.vectors.words


@pytest.mark.parametrize(
    ("folder", "words"),
    [("a.codes", ["a", "--format", "codes"]), ("a.codebook.npy", ["a", "--format", "codes"]),
     ("a.vocab", ["a.npy"]), ("a.npy", ["a.npy"]), ("a.txt", ["a.txt"])],
)  # fmt: skip
def test_export_to_a_folder_writes_nothing(files, fail, monkeypatch, tmp_path, folder, words):
    monkeypatch.chdir(tmp_path)
    os.mkdir(folder)
    message = fail("embed", "export", files / "compositional.bcq.npy", *words)
    assert message == f"error: `OUT` must be a file. Received: the folder '{folder}'"
    assert os.listdir() == [folder]
