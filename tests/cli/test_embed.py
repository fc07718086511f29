"""`embed` does what the library does with word vectors, in one line each."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

import bcq_tf
from bcq_tf import cli
from bcq_tf.cli.embed.word_tables import plain_warnings
from bcq_tf.embeddings import (
    CompressedVectors,
    WordVectors,
    additive_codes,
    compress,
    distance,
    measure_quality,
    quantize_uniform,
    read_codes,
    read_vectors,
    write_vectors,
)

ROWS, COLUMNS = 120, 10
WORDS = [f"w{i}" for i in range(ROWS)]


class Files:
    """Vectors, their compressed forms and test sets in a folder."""

    def __init__(self, path):
        self.path = path
        rng = np.random.default_rng(0)
        self.vectors = WordVectors(WORDS, rng.standard_normal((ROWS, COLUMNS), np.float32))
        write_vectors(self / "a.txt", self.vectors)
        for method, settings in {"uniform": {"bits": 2}, "compositional": {"M": 4, "K": 8}}.items():
            codes = compress(self.vectors.matrix, method, **settings)
            CompressedVectors(WORDS, codes).save(self / f"{method}.bcq.npy")
        (path / "sets").mkdir()
        pairs = [f"w{a} w{b} {rating}\n" for a, b, rating in rng.integers(0, ROWS, (30, 3))]
        (path / "sets" / "one.txt").write_text("".join(pairs) + "w1 unknown 3\n")
        questions = [" ".join(f"w{i}" for i in four) for four in rng.integers(0, ROWS, (20, 4))]
        (path / "questions.txt").write_text(": all\n" + "\n".join(questions))

    def __truediv__(self, name: str) -> str:
        return str(self.path / name)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    return Files(tmp_path_factory.mktemp("embed"))


@pytest.mark.parametrize(
    ("words", "make"),
    [
        (["--method", "uniform", "--bits", "3"], lambda m: quantize_uniform(m, 3)),
        (["--method", "binary", "--bits", "2"], lambda m: bcq_tf.quantize(m, 2)),
        (["--method", "compositional", "--M", "4", "--K", "5", "--seed", "3"],
         lambda m: additive_codes(m, 4, 5, seed=3, dtype="float16")),
        (["--method", "compositional", "--M", "4", "--K", "5", "--dtype", "float32"],
         lambda m: additive_codes(m, 4, 5, dtype="float32")),
    ],
    ids=["uniform", "binary", "compositional", "float32"],
)  # fmt: skip
def test_compress_writes_the_codes_of_the_library(files, run_json, tmp_path, words, make):
    out = tmp_path / "out.bcq.npy"
    shown = run_json("embed", "compress", files / "a.txt", out, *words)
    expected = make(files.vectors.matrix)
    found = CompressedVectors.read(out)
    assert found.words == files.vectors.words
    np.testing.assert_array_equal(found.codes.reconstruct(), expected.reconstruct())
    moved = distance(files.vectors, expected)
    assert (shown["mean_distance"], shown["relative_error"]) == (moved.mean, moved.relative_error)
    assert (shown["nbytes"], shown["file_nbytes"]) == (expected.nbytes, out.stat().st_size)
    assert shown["shape"] == [ROWS, COLUMNS]
    assert shown["float_nbytes"] == 4 * ROWS * COLUMNS


def test_compress_shows_sizes_and_error(files, run, tmp_path):
    out = tmp_path / "out.bcq.npy"
    text = run("embed", "compress", files / "a.txt", out, "--method", "uniform", "--bits", "2",
               "--limit", "50")  # fmt: skip
    assert "vectors         50 of 10 numbers" in text
    assert "codes           uniform, 154 bytes, 2.464 bits a weight" in text  # 50 x 3 and a limit
    assert text.splitlines()[-1].startswith(f"Written: {out}, {out.stat().st_size:,} bytes")


def test_warnings_are_lines_on_stderr(files, capsys, run, tmp_path):
    (tmp_path / "double.txt").write_text("a 1 2\nb 3 4\na 5 6\n")
    out = tmp_path / "out.bcq.npy"
    words = ["embed", "compress", str(tmp_path / "double.txt"), str(out), "--method", "binary"]
    assert cli.main([*words, "--bits", "1"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: ")
    assert "1 vectors of words that came before were left out, the first of 'a'" in lines[0]


@plain_warnings()
def warn_of_several_things() -> None:
    for text in ("first", "second", "first"):
        warnings.warn(text, stacklevel=1)
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def test_a_warning_is_shown_once_and_those_of_programs_are_left_as_they_are(capsys):
    with pytest.warns(RuntimeWarning, match="overflow") as others:
        warn_of_several_things()
    assert capsys.readouterr().err.splitlines() == ["warning: first", "warning: second"]
    assert len(others) == 1


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


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture(files, run, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    text = run("embed", "compare", files / "a.txt", "--bits", "1,2", "--K", "2", "--wordsim",
               files / "sets", "--picture", path)  # fmt: skip
    assert f"Written: {path}" in text
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)


def drawn_texts(path) -> list[str]:
    """The texts of an SVG file that matplotlib drew, which it names in comments."""
    return re.findall("<!-- (.*?) -->", path.read_text("utf-8"))


def test_a_picture_has_a_panel_for_each_score_and_a_line_for_each_method(files, run, tmp_path):
    path = tmp_path / "a.svg"
    run("embed", "compare", files / "a.txt", "--bits", "1,2", "--K", "2", "--wordsim",
        files / "sets", "--analogies", files / "questions.txt", "--picture", path)  # fmt: skip
    texts = drawn_texts(path)
    panels = ["relative error", "eigenspace overlap", "neighbours kept", "word similarity",
              "analogies"]  # fmt: skip
    assert [text for text in texts if text in panels] == panels
    assert texts.count("bits a weight") == len(panels)
    methods = ["uniform", "binary", "compositional", "float"]
    assert [text for text in texts if text in methods] == methods  # of the one legend


@pytest.mark.filterwarnings("error")
def test_a_picture_without_any_error_has_no_logarithm(run, tmp_path):
    (tmp_path / "same.txt").write_text("".join(f"w{i} 0.5 0.5\n" for i in range(20)))
    run("embed", "compare", tmp_path / "same.txt", "--bits", "1,2", "--methods", "uniform",
        "--picture", tmp_path / "a.svg")  # fmt: skip
    assert "relative error" in drawn_texts(tmp_path / "a.svg")


def test_matplotlib_is_asked_for_before_the_work(files, fail, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ["embed", "compare", files / "a.txt", "--picture", tmp_path / "a.png"]
    assert "`--picture` needs matplotlib" in fail(*words)


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


def test_neighbours(files, run, run_json):
    source = files / "uniform.bcq.npy"
    expected = CompressedVectors.read(source).neighbours("w7", 3)
    shown = run_json("embed", "neighbours", source, "w7", "--k", "3")
    assert [(line["word"], line["cosine"]) for line in shown["nearest"]] == expected
    text = run("embed", "neighbours", source, "w7")
    assert text.splitlines()[0].strip() == "Nearest to 'w7'"
    assert len([line for line in text.splitlines() if " w" in line and "." in line]) == 10


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


def damaged_npy(path) -> None:
    """A `.npy` file with words, of which the header is cut short."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2".ljust(117) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)


def test_compare_and_compress_need_no_tensorflow(files, run, tmp_path):
    commands = [
        ["embed", "compare", files / "a.txt", "--bits", "2", "--K", "2"],
        ["embed", "compress", files / "a.txt", f"{tmp_path}/a.bcq.npy", "--method", "binary",
         "--bits", "1"],
        ["embed", "neighbours", f"{tmp_path}/a.bcq.npy", "w1"],
        ["embed", "export", f"{tmp_path}/a.bcq.npy", f"{tmp_path}/a.bin"],
    ]  # fmt: skip
    code = f"""
import sys
from bcq_tf import cli
from bcq_tf.cli.embed.word_tables import plain_warnings
for words in {commands}:
    assert cli.main(words) == 0
assert not {{"tensorflow", "keras", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_compress_by_gradients(files, run_json, tmp_path):
    out = tmp_path / "out.bcq.npy"
    words = ["--method", "compositional", "--trainer", "gumbel", "--M", "2", "--K", "4"]
    shown = run_json("embed", "compress", files / "a.txt", out, *words, "--epochs", "2")
    matrix = files.vectors.matrix
    expected = compress(matrix, "compositional", M=2, K=4, trainer="gumbel", epochs=2)
    assert shown["nbytes"] == expected.nbytes
    found = CompressedVectors.read(out).codes
    np.testing.assert_array_equal(found.reconstruct(), expected.reconstruct())


@pytest.mark.parametrize("trainer", ["additive", "gumbel"])
def test_progress_leaves_the_output_alone(files, capsys, tmp_path, trainer):
    words = ["embed", "compress", files / "a.txt", str(tmp_path / "out.bcq.npy")]
    words += ["--method", "compositional", "--trainer", trainer, "--epochs", "1"]
    assert cli.main([*words, "--M", "2", "--K", "4", "--verbose", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["method"] == "compositional"
    assert {"additive": "round 1: mean distance", "gumbel": "distance:"}[trainer] in printed.err
    assert "a.txt" in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compress", "a.txt", "o.bcq.npy"], "required: --method"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "huffman"], "invalid choice: 'huffman'"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "binary"],
         "`bits` must be given with method 'binary'. Received: None"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "compositional", "--M", "4"],
         "`K` must be given with method 'compositional'. Received: None"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2", "--M", "4"],
         "`M` must be None with method 'uniform'. Received: M=4"),
        # Said before the vectors are read: a file that is cut would be an error of its own.
        (["compress", "cut.txt", "o.bcq.npy", "--method", "uniform", "--bits", "9"],
         "`bits` must be an integer from 1 to 8. Received: bits=9"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "compositional", "--M", "-1", "--K", "4"],
         "`M` must be an integer from 1 to 8192. Received: M=-1"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "binary", "--bits", "1", "--seed", "-1"],
         "`seed` must be an integer from 0 upwards. Received: seed=-1"),
        (["compress", "a.txt", "o.bcq.npy", "--method", "compositional", "--M", "40", "--K", "16"],
         "`M` times `K` must be at most the 120 rows"),
        (["compress", "a.txt", "o.npz", "--method", "uniform", "--bits", "2"],
         "`OUT` must end with .bcq.npy. Received: o.npz"),
        (["compress", "no.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "No such file: 'no.txt'"),
        (["compress", "cut.txt", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "'cut.txt', line 2: the file ends in the middle of the line (1 of 2 numbers)"),
        (["compress", "damaged.npy", "o.bcq.npy", "--method", "uniform", "--bits", "2"],
         "'damaged.npy' is no whole .npy file of an array: "),
        (["compare", "one.txt"], "'one.txt' must have two words at least. Received: 1"),
        (["compare", "a.txt", "--limit", "1"], "'a.txt' must have two words at least. Received: 1"),
        (["compare", "cut.txt", "--seed", "-1"], "`seed` must be an integer from 0 upwards"),
        (["compare", "cut.txt", "--M", "99", "--K", "99"], "`M` times `K` must be at most 8192"),
        (["compare", "a.txt", "--picture", "set.svg", "--wordsim", "set.svg"],
         "`--picture` must not be a file that is read. Received: set.svg"),
        (["compare", "a.txt", "--methods", "uniform,magic"],
         "argument --methods: must be of uniform, binary, compositional. Received: magic"),
        (["compare", "a.txt", "--bits", "1,9"], "`bits` must be an integer from 1 to 8. Received"),
        (["compare", "a.txt", "--wordsim", "nowhere"], "No such file: 'nowhere'"),
        (["compare", "a.txt", "--analogies", "nowhere"], "No such file: 'nowhere'"),
        (["compare", "a.txt", "--analogies", "cut.txt", "--bits", "1", "--methods", "uniform"],
         "'cut.txt', line 1: four words must stand in it"),
        (["compare", "a.txt", "--picture", "a.gif"], "`--picture` must end with .png or .svg or "),
        (["compare", "a.txt", "--limit", "0"], "--limit: must be a positive integer"),
        (["export", "a.txt", "b.txt"], "'a.txt' is not a whole bcq_tf file"),
        (["export", "uniform.bcq.npy", "b", "--format", "codes"],
         "`--format codes` must be of compositional codes. Received: 'uniform.bcq.npy' of Uniform"),
        (["export", "uniform.bcq.npy", "uniform.bcq.npy"], "`OUT` must not be a file that is read"),
        (["export", "uniform.bcq.npy", "a.bcq.npy"], "`OUT` must not end with .bcq.npy"),
        (["export", "uniform.bcq.npy", "a.npy.gz"], "`path` must not end with .gz for a .npy"),
        (["export", "uniform.bcq.npy", ""], "`OUT` must end with the name of a file. Received: ''"),
        (["export", "uniform.bcq.npy", "no/"], "`OUT` must end with the name of a file. Received"),
        (["export", "uniform.bcq.npy", "no/a.txt"], "No such folder: '"),
        (["export", "blanks.bcq.npy", "b.txt"], "'word2vec' takes them. Received: 'new york'"),
        (["neighbours", "one.bcq.npy", "a"], "'one.bcq.npy' must have two words at least. Rec"),
        (["neighbours", "uniform.bcq.npy", "W7x"],
         "`word` must be one of 120 words. Received: 'W7x'. Similar: 'w7'"),
        (["neighbours", "uniform.bcq.npy", "w7", "--k", "120"], "`k` must be from 1 to 119. Rec"),
        (["neighbours", "nowhere", "w7"], "No such file: 'nowhere'"),
        ([], "required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_is_one_line(files, fail, monkeypatch, words, message):
    monkeypatch.chdir(files.path)
    (files.path / "cut.txt").write_text("a 1 2\nb 3")
    (files.path / "one.txt").write_text("a 1 2\n")
    (files.path / "set.svg").write_text("w1 w2 3\n")
    damaged_npy("damaged.npy")
    codes = quantize_uniform(np.ones((2, 2), np.float32), 1)
    CompressedVectors(["new york", "b c"], codes).save("blanks.bcq.npy")
    CompressedVectors(["a"], quantize_uniform(np.ones((1, 2), np.float32), 1)).save("one.bcq.npy")
    (files.path / "o.bcq.npy").write_bytes(b"precious")
    assert message in fail("embed", *words)
    assert (files.path / "o.bcq.npy").read_bytes() == b"precious"
