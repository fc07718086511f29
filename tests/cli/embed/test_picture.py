"""`embed compare --picture`: the kinds of file, and what is drawn in them."""

import importlib.util
import re

import pytest


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
