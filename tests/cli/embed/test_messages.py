"""Warnings and progress of `embed`: on stderr, apart from the output."""

import json
import warnings

import pytest

from bcq_tf.cli import main as cli
from bcq_tf.cli.embed.vectors import plain_warnings


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


@pytest.mark.parametrize("trainer", ["additive", "gumbel"])
def test_progress_leaves_the_output_alone(files, capsys, tmp_path, trainer):
    words = ["embed", "compress", files / "a.txt", str(tmp_path / "out.bcq.npy")]
    words += ["--method", "compositional", "--trainer", trainer, "--epochs", "1"]
    assert cli.main([*words, "--M", "2", "--K", "4", "--verbose", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["method"] == "compositional"
    assert {"additive": "round 1: mean distance", "gumbel": "distance:"}[trainer] in printed.err
    assert "a.txt" in printed.err
