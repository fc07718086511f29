"""What all commands have in common: help, errors of one line, JSON, and how little they load."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bcq_tf import __version__
from bcq_tf.cli import command
from bcq_tf.cli import main as cli
from bcq_tf.cli.command import Group
from bcq_tf.cli.errors import UserError, blaming_input, one_line
from bcq_tf.cli.main import as_json
from bcq_tf.ops.binary import PRECISIONS

ROOT = Path(__file__).resolve().parents[2]
NAMES = [command.name for command in cli.COMMANDS]
GROUPS = [command for command in cli.COMMANDS if isinstance(command, Group)]
CALLS = [name for name in NAMES if name not in {group.name for group in GROUPS}]
CALLS += [f"{group.name} {command.name}" for group in GROUPS for command in group.commands]


def python(*words, check=True):
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check)


def test_the_commands_are_those_that_the_docs_name():
    text = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    headings = [line[3:].strip("`") for line in text.splitlines() if line.startswith("## `")]
    assert headings == NAMES


@pytest.mark.parametrize("name", CALLS)
def test_help_has_a_description_and_examples(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*name.split(), "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: python -m bcq_tf {name}" in text
    assert f"examples:\n  python -m bcq_tf {name}" in text
    assert "--json" in text


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_help_of_a_group_lists_its_commands(group, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([group.name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"examples:\n  python -m bcq_tf {group.name}" in text
    assert all(f"    {c.name}" in text and c.summary in text for c in group.commands)


def test_the_precisions_are_those_of_the_ops():
    assert command.PRECISIONS == PRECISIONS


def test_the_list_of_commands_and_the_version(capsys):
    for words, wanted in ((["--help"], NAMES), (["--version"], [f"bcq_tf {__version__}"])):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert all(word in text for word in wanted)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: COMMAND"),
        (["nothing"], "invalid choice: 'nothing'"),
        (["inspect"], "required: FILE"),
        (["inspect", "a", "--unknown"], "unrecognized arguments: --unknown"),
        (["quantize", "a", "b.bcq.npy", "--bits", "x"], "argument --bits: invalid int value: 'x'"),
        (["quantize", "a", "b.bcq.npy", "--solver", "magic"], "--solver: invalid choice: 'magic'"),
        (["bench", "a", "--batch", "1,0"], "--batch: must be a positive integer. Received: 0"),
        (["bench", "a", "--threads", "-1"], "--threads"),
        (["bench", "a", "--device", "tpu"], "--device: invalid choice: 'tpu'"),
        (["compare", "a", "b", "--precision", "good"], "--precision: invalid choice: 'good'"),
        (["inspect", "nowhere"], "No such file: 'nowhere'"),
        (["inspect", "."], "A file is wanted, and this is a folder: '.'"),
        (["inspect", "/dev/null"], "This is no regular file: '/dev/null'"),
        (["compare", "nowhere.keras", "nowhere"], "No such file: 'nowhere'"),
        (["convert", "nowhere", "a.keras"], "No such file: 'nowhere'"),
        (["bench", "nowhere"], "No such file: 'nowhere'"),
        (["quantize", "nowhere", "a.bcq.npy"], "No such file: 'nowhere'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_one_line(fail, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fail(*words)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_program_shows_its_traceback(folder, monkeypatch):
    def broken(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(cli.inspect, "_of_model", broken)
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["inspect", folder.file])


def test_an_interrupt_ends_with_130(folder, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.inspect, "check_exists", interrupt)
    assert cli.main(["inspect", folder.file]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\n  b\tc"), "a b c"),
        (ValueError(), "ValueError"),
        (ValueError("\x1b[2Jx"), "\N{REPLACEMENT CHARACTER}[2Jx"),
        (FileNotFoundError(2, "No such file", "a/b"), "No such file: 'a/b'"),
        (OSError("odd"), "odd"),
        (ValueError("x" * 1000), "x" * 497 + "..."),
        (ValueError("\x1b[1mReceived\x1b[0m x"), "Received x"),
        (
            ValueError(
                "Graph execution error:\n\nDetected at node a/Gather defined at (most recent call "
                'last):\n  File "a.py", line 1, in f\n\n  File "b.py", line 2, in g\n\n'
                "id 9 is no row\n\t [[{{node a/Gather}}]] [Op:__inference_f_12]"
            ),
            "id 9 is no row (a/Gather)",
        ),
    ],
)
def test_an_error_becomes_one_line(error, line):
    assert one_line(error) == line


def test_only_the_errors_named_are_blamed_on_the_input():
    with pytest.raises(UserError, match="^the file: wrong$"), blaming_input("the file"):
        raise ValueError("wrong")
    with pytest.raises(KeyError), blaming_input():
        raise KeyError("a bug")


def test_json_has_null_for_what_is_no_number():
    value = {"a": [math.nan, 1.5, (math.inf,)], "b": {"c": -math.inf}, "d": None, "e": True}
    assert json.loads(as_json(value)) == {
        "a": [None, 1.5, [None]],
        "b": {"c": None},
        "d": None,
        "e": True,
    }


def test_as_a_program(folder):
    done = python("-m", "bcq_tf", "inspect", folder.file)
    assert done.returncode == 0
    assert "hidden/kernel" in done.stdout
    assert done.stderr == ""
    done = python("-m", "bcq_tf", "inspect", folder / "nothing.bcq.npy", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: No such file: '{folder / 'nothing.bcq.npy'}'\n"


def test_inspect_and_safetensors_need_no_tensorflow(folder, tmp_path):
    commands = [["inspect", folder.file], ["convert", folder.file, f"{tmp_path}/a.safetensors"]]
    code = f"""
import sys
from bcq_tf.cli import command
from bcq_tf.cli import main as cli
for words in {commands}:
    assert cli.main(words) == 0
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    python("-c", code)


def test_who_reads_the_output_may_stop(folder):
    command = f"'{sys.executable}' -m bcq_tf inspect '{folder.file}' | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
