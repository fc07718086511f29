"""`embed neighbours` shows the nearest words of the library, on any terminal."""

import os
import subprocess
import sys

import numpy as np

from bcq_tf.embeddings import CompressedVectors, quantize_uniform


def test_neighbours(files, run, run_json):
    source = files / "uniform.bcq.npy"
    expected = CompressedVectors.read(source).neighbours("w7", 3)
    shown = run_json("embed", "neighbours", source, "w7", "--k", "3")
    assert [(line["word"], line["cosine"]) for line in shown["nearest"]] == expected
    text = run("embed", "neighbours", source, "w7")
    assert text.splitlines()[0].strip() == "Nearest to 'w7'"
    assert len([line for line in text.splitlines() if " w" in line and "." in line]) == 10


def test_neighbours_of_float_vectors(files, run_json):
    shown = run_json("embed", "neighbours", files / "a.txt", "w7", "-k", "3")
    expected = files.vectors.neighbours("w7", 3)
    assert [(line["word"], line["cosine"]) for line in shown["nearest"]] == expected
    cosines = files.vectors.matrix @ files.vectors.vector("w7")
    cosines /= np.linalg.norm(files.vectors.matrix, axis=1)
    assert [word for word, _ in expected] == [f"w{i}" for i in np.argsort(-cosines)[1:4]]


def test_neighbours_are_all_others_where_these_are_few(run_json, tmp_path):
    vectors = CompressedVectors(["a", "b", "c"], quantize_uniform(np.eye(3, dtype=np.float32), 2))
    vectors.save(tmp_path / "few.bcq.npy")
    shown = run_json("embed", "neighbours", tmp_path / "few.bcq.npy", "a")
    assert {line["word"] for line in shown["nearest"]} == {"b", "c"}


def test_words_that_the_terminal_cannot_show_are_escaped(tmp_path):
    vectors = CompressedVectors(["a", "日本"], quantize_uniform(np.ones((2, 3), np.float32), 2))
    vectors.save(tmp_path / "a.bcq.npy")
    words = [sys.executable, "-m", "bcq_tf", "embed", "neighbours", tmp_path / "a.bcq.npy", "a"]
    ascii = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, capture_output=True, env=ascii, check=True)
    assert b" \\u65e5\\u672c " in done.stdout
