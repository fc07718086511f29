"""`embed compare` shows the figures of the library, for each method and size."""

import json

import pytest

from bcq_tf.embeddings import CompressedVectors, compress, measure_quality

from .conftest import WORDS


def test_compare_measures_each_method_and_size(files, run_json, tmp_path):
    words = ["--wordsim", files / "sets", "--analogies", files / "questions.txt"]
    shown = run_json("embed", "compare", files / "a.txt", "--bits", "1,3", "--K", "2", *words)
    lines = {(line.pop("method"), line.pop("setting")): line for line in shown["lines"]}
    sizes = [("uniform", "1 bit"), ("uniform", "3 bits"), ("binary", "1 bit"), ("binary", "3 bits"),
             ("compositional", "M=3 K=2"), ("compositional", "M=8 K=2")]  # fmt: skip
    assert list(lines) == [("float", "32 bits"), *sizes]
    tests = {"wordsim": files / "sets", "analogies": files / "questions.txt"}
    for (method, setting), line in lines.items():
        assert line.pop("seconds") >= 0
        table = files.vectors
        if method != "float":
            sizes = dict(part.split("=") for part in setting.split() if "=" in part)
            settings = {name: int(n) for name, n in sizes.items()} or {"bits": int(setting[0])}
            table = CompressedVectors(WORDS, compress(files.vectors.matrix, method, **settings))
        expected = measure_quality(files.vectors, table, **tests).to_dict()
        assert line == json.loads(json.dumps(expected))
    floats = lines["float", "32 bits"]
    assert (floats["eigenspace_overlap"], floats["mean_distance"]) == (pytest.approx(1), 0)
    assert (floats["similarity"][0]["covered"], floats["similarity"][0]["pairs"]) == (30, 31)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_compositional_codes_are_as_large_as_uniform_ones_at_most(files, run_json, bits):
    shown = run_json("embed", "compare", files / "a.txt", "--bits", bits, "--K", "2", "--methods",
                     "uniform,compositional")  # fmt: skip
    _, uniform, compositional = (line["nbytes"] for line in shown["lines"])
    assert uniform - 200 < compositional <= uniform  # a codebook and its indexes take 55


def test_compare_says_what_does_not_fit(files, run, run_json):
    words = ["embed", "compare", files / "a.txt", "--bits", "1,2", "--methods", "compositional"]
    left_out = [f"compositional, {bits}: not one codebook of 16 is as small"
                for bits in ("1 bit", "2 bits")]  # fmt: skip
    assert run(*words).splitlines()[-2:] == [f"Left out: {text}" for text in left_out]
    shown = run_json(*words)
    assert (shown["skipped"], len(shown["lines"])) == (left_out, 1)


def test_compare_of_two_words(run_json, tmp_path):
    (tmp_path / "two.txt").write_text("a 1 2\nb 3 4\n")
    words = ["embed", "compare", tmp_path / "two.txt", "--bits", "2", "--methods", "uniform"]
    assert [line["neighbour_overlap"] for line in run_json(*words)["lines"]] == [1, 1]


def test_compare_with_sizes_of_compositional_codes(files, run_json):
    shown = run_json("embed", "compare", files / "a.txt", "--methods", "compositional", "--M",
                     "2,4", "--K", "8")  # fmt: skip
    assert [line["setting"] for line in shown["lines"][1:]] == ["M=2 K=8", "M=4 K=8"]


def test_the_table_has_the_columns_that_were_asked_for(files, run):
    words = ["embed", "compare", files / "a.txt", "--bits", "2", "--methods", "uniform"]
    text = run(*words)
    assert "similarity" not in text
    assert "analogies" not in text
    text = run(*words, "--wordsim", files / "sets" + "/one.txt", "--analogies",
               files / "questions.txt")  # fmt: skip
    assert "Pairs covered: one.txt 30 of 31" in text
    assert "Analogies covered: 20 of 20" in text
    assert [line.split()[0] for line in text.splitlines()[4:6]] == ["float", "uniform"]
