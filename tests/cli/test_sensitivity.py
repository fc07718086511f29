"""`sensitivity` says what the library says, and draws it."""

import keras
import numpy as np
import pytest

import bcq_tf

pytestmark = pytest.mark.filterwarnings("ignore:`calibration`")


def test_it_says_what_the_library_says(folder, run_json):
    shown = run_json("sensitivity", folder.model, "--data", folder.data, "--bits", "1,3")
    with np.load(folder.data) as data:
        samples = data["ids"], data["y"]
    found = bcq_tf.sensitivity(keras.saving.load_model(folder.model), samples, bits=(1, 3))
    assert shown["loss"] == pytest.approx(found.loss, rel=1e-4)
    assert [(line["path"], line["bits"]) for line in shown["weights"]] == [
        (line.path, line.bits) for line in found.lines
    ]
    for line, expected in zip(shown["weights"], found.lines, strict=True):
        assert line["expected"] == pytest.approx(expected.expected, rel=0.05)
        assert line["measured"] == pytest.approx(expected.measured, abs=0.05 * found.loss)


@pytest.mark.parametrize("name", ["loss.png", "new/loss.svg"])
def test_it_draws_a_picture(folder, run, tmp_path, name):
    words = ["--bits", "2", "--expected-only", "--plot", tmp_path / name]
    text = run("sensitivity", folder.model, "--data", folder.data, *words)
    assert "hidden/kernel" in text
    assert f"Drawn: {tmp_path / name}" in text
    assert (tmp_path / name).stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bits", "0"], "must be a positive integer"),
        (["--bits", "9"], "`bits` must be an integer from 1 to 8. Received: bits=9"),
        (["--rules", "{nonsense"], "`--rules` must be a JSON object or a file of one"),
        (["--rules", '{"nothing*": 2}'], "`rules` must have patterns that match"),
        (["--plot", "."], "`--plot` must end with .png or .svg or .pdf. Received: ."),
        (["--plot", "loss.txt"], "`--plot` must end with .png or .svg or .pdf. Received: loss.txt"),
    ],
)
def test_bad_input_is_one_line(folder, fail, words, message):
    assert message in fail("sensitivity", folder.model, "--data", folder.data, *words)


def test_targets_are_needed_to_measure(folder, fail, tmp_path):
    with np.load(folder.data) as data:
        np.savez(tmp_path / "inputs.npz", ids=data["ids"])
    line = fail("sensitivity", folder.model, "--data", tmp_path / "inputs.npz")
    assert "`calibration` must have targets to measure by" in line
