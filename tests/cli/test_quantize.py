"""`quantize` writes what `bcq_tf.quantize_model` writes, and never harms a file."""

import json
import os

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.cli import main as cli


def quantized(folder, path, *arguments, **options) -> bytes:
    """The file that the library writes for the same model."""
    bcq_tf.quantize_model(keras.saving.load_model(folder.model, compile=False), *arguments,
                          **options, filepath=path)  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {"bits": 3}),
        (["--bits", "1"], {"bits": 1}),
        (["--bits", "2", "--group-size", "64", "--offset"],
         {"bits": 2, "group_size": 64, "offset": True}),
        (["--solver", "greedy"], {"solver": "greedy"}),
        (["--solver", "uniform", "--effort", "low"], {"solver": "uniform", "effort": "low"}),
        (["--scale-dtype", "float32"], {"scale_dtype": "float32"}),
        (["--config", '{"bits": 2, "group_size": 64}', "--rules", '{"classes*": {"bits": 1}}'],
         {"config": bcq_tf.BCQConfig(2, 64), "rules": {"classes*": {"bits": 1}}}),
        (["--rules", '{"*embeddings": 4, "classes*": null}'],
         {"rules": {"*embeddings": 4, "classes*": None}}),
        (["--scope", "embedding", "--rules", '{"hidden*": 2}'],
         {"rules": {"hidden*": 2, "classes/kernel": None}}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_the_file_is_that_of_the_library(folder, run_json, tmp_path, words, options):
    out = tmp_path / "a.bcq.npy"
    shown = run_json("quantize", folder.model, out, *words)
    assert out.read_bytes() == quantized(folder, tmp_path / "b.bcq.npy", **options)
    assert shown["path"] == str(out)
    assert shown["nbytes"] == os.path.getsize(out)
    opened = bcq_tf.read(out)
    expected = bcq_tf.Report.of(opened, opened.metadata).to_dict()
    for line, wanted in zip(shown.pop("chosen"), expected.pop("chosen"), strict=True):
        assert line.pop("error") == pytest.approx(wanted.pop("error"), rel=1e-3)  # 4 digits kept
        assert line == wanted
    assert shown == expected | {"path": str(out)}


@pytest.mark.filterwarnings("ignore:`calibration` has too few")
def test_samples_calibrate_the_file(folder, run_json, tmp_path):
    out, expected = tmp_path / "a.bcq.npy", tmp_path / "b.bcq.npy"
    run_json("quantize", folder.model, out, "--bits", "2", "--data", folder.data)
    with np.load(folder.data) as data:
        ids = data["ids"]
    model = keras.saving.load_model(folder.model)
    bcq_tf.quantize_model(model, 2, calibration=ids, filepath=expected)
    theirs = bcq_tf.read(expected)
    for name, codes in bcq_tf.read(out).items():
        if hasattr(codes, "reconstruct"):
            np.testing.assert_allclose(codes.reconstruct(), theirs[name].reconstruct(), atol=0.1)


def test_rules_and_the_config_may_be_files(folder, run_json, tmp_path):
    (tmp_path / "rules.json").write_text('{"table*": 4}')
    (tmp_path / "config.json").write_text('{"bits": 2}')
    words = ["--rules", tmp_path / "rules.json", "--config", tmp_path / "config.json"]
    shown = run_json("quantize", folder.model, tmp_path / "a.bcq.npy", *words)
    assert [line["bits"] for line in shown["chosen"]] == [4, 2, 2]


def test_the_table_names_the_file(folder, run, tmp_path):
    text = run("quantize", folder.model, tmp_path / "a.bcq.npy")
    assert text.splitlines()[-1] == f"Written: {tmp_path / 'a.bcq.npy'}"
    assert "hidden/kernel" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bits", "0"], "`bits` must be an integer from 1 to 8. Received: bits=0"),
        (["--group-size", "30"], "`group_size` must be None or a positive multiple of 32"),
        (["--rules", "{nonsense"], "`--rules` must be a JSON object or a file of one"),
        (["--rules", '{"a": 1, "a": 2}'], "`--rules` must be a JSON object or a file of one"),
        (["--rules", "[1]"], "`--rules` must be a JSON object. Received: [1]"),
        (["--rules", '{"a": 9}'], "`bits` must be an integer from 1 to 8. Received: bits=9"),
        (["--rules", '{"nothing*": 2}'], "`rules` must have patterns that match"),
        (["--rules", '{"*": null}'], "`model` must have a weight to quantize"),
        (["--config", '{"bit": 2}'], "`--config` may set ['bits', "),
        (["--config", '{"bits": 9}'], "`bits` must be an integer from 1 to 8. Received: bits=9"),
        (["--config", "{}", "--bits", "3"], "`config` must be given alone or not at all"),
        (["--config", "2"], "`--config` must be a JSON object. Received: 2"),
        (["--tune", "-1"], "`tune` must be an integer >= 0. Received: tune=-1"),
        (["--tune", "1"], "`tune` needs `calibration`, samples of data. Received: tune=1"),
        (["--scope", "words"], "`scope` must be one of ['attention', 'linear', "),
        (["--scope", "recurrent"], "`scope` must have weights of the model in it, which are of ["),
        (["--import", "no_such_module"], "`--import` must be a module that can be imported"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_leaves_the_file_that_is_there(folder, fail, tmp_path, words, message):
    out = tmp_path / "a.bcq.npy"
    out.write_bytes(b"precious")
    assert message in fail("quantize", folder.model, out, *words)
    assert out.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.bcq.npy"]


def test_a_weight_that_is_not_finite_is_named(folder, fail, tmp_path):
    model = keras.saving.load_model(folder.model)
    model.get_layer("hidden").kernel.assign(np.full((192, 32), np.nan))
    model.save(tmp_path / "bad.keras")
    line = fail("quantize", tmp_path / "bad.keras", tmp_path / "a.bcq.npy")
    assert "hidden/kernel" in line
    assert os.listdir(tmp_path) == ["bad.keras"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.npy", "`OUT` must end with .bcq.npy"),
        ("plain/a.bcq.npy", "`OUT`: Is no folder: '"),
        ("folder.bcq.npy", "`OUT` must be a file. Received: the folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_said_first(fail, tmp_path, name, message):
    (tmp_path / "folder.bcq.npy").mkdir()
    (tmp_path / "plain").write_bytes(b"")
    # The model does not even exist.
    assert message in fail("quantize", tmp_path / "no.keras", tmp_path / name)


def test_a_long_work_shows_its_progress(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli.quantize, "LONG", 1)
    assert cli.main(["quantize", folder.model, str(tmp_path / "a.bcq.npy")]) == 0
    assert capsys.readouterr().err == "quantizing 7,584 weights\n"


def test_json_stays_json_when_a_file_is_replaced(folder, run, tmp_path):
    out = tmp_path / "a.bcq.npy"
    for bits in (1, 2):
        shown = json.loads(run("quantize", folder.model, out, "--bits", bits, "--json"))
        assert {line["bits"] for line in shown["chosen"]} == {bits}
        assert bcq_tf.read(out).nbytes == shown["nbytes"]
