"""pretrain.py, quantize.py and translate.py, one after the other, on a few invented sentences."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import bcq_tf
import demo
import pretrain
import quantize
import translate
from bcq_tf._keras import walk_layers
from tests.transformer.conftest import make_hparams, make_pairs
from transformer import checkpoint
from transformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SPLITS = {"train": (60, 0), "val": (10, 60), "test": (10, 70)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of train, val and test sentences."""
    folder = tmp_path_factory.mktemp("data")
    for split, (count, start) in SPLITS.items():
        pairs = make_pairs(count, start)
        for language, lines in (("pt", pairs.source), ("en", pairs.target)):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pretrained(data, tmp_path_factory):
    """The folder of a pretrained run."""
    folder = tmp_path_factory.mktemp("runs") / "float"
    hparams = folder.parent / "hparams.json"
    hparams.write_text(json.dumps(make_hparams(num_layers=1, d_model=32, key_dim=16).to_dict()))
    pretrain.main(["--hparams", str(hparams), "--data", str(data), "--output", str(folder)])
    return folder


def run_quantize(pretrained, output, *arguments):
    quantize.main(["--from", str(pretrained), "--output", str(output), *arguments])
    return checkpoint.load_result(output)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--epochs", "2", "--every", "3"],
        ["--epochs", "2", "--no-latent", "--every", "5", "--schedule", '{"3": 4}'],
        ["--epochs", "0"],
        ["--epochs", "0", "--solver", "uniform", "--group-size", "32"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_quantize_then_translate(pretrained, tmp_path, capsys, arguments):
    output = tmp_path / "quantized"
    result = run_quantize(pretrained, output, "--bits", "2", *arguments)
    assert result["nbytes"] == (output / "model.bcq.npy").stat().st_size
    assert 2 < result["bits_per_weight"] < 4
    printed = capsys.readouterr().out
    assert "source_embedding/embeddings" in printed
    assert f"BLEU {result['bleu']:.2f}" in printed
    translate.main([str(output / "model.bcq.npy"), "casa.", "gato verde."])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_translate_reads_standard_input_in_order(pretrained, tmp_path, capsys, monkeypatch):
    run_quantize(pretrained, tmp_path, "--epochs", "0")
    path = str(tmp_path / "model.bcq.npy")
    sentences = ["gato.", "casa verde rio.", "rio."]
    capsys.readouterr()
    translate.main([path, *sentences])
    expected = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", [f"{sentence}\n" for sentence in sentences])
    translate.main([path])
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("beam_size", ["1", "3"])
def test_packed_and_float_translate_alike(pretrained, tmp_path, capsys, beam_size):
    result = run_quantize(pretrained, tmp_path, "--epochs", "0", "--bits", "3")
    words = [str(tmp_path / "model.bcq.npy"), "gato.", "casa verde rio.", "--beam-size", beam_size]
    printed = {}
    for how in (["--packed"], ["--no-packed"], ["--precision", "fast"]):
        capsys.readouterr()
        translate.main([*words, *how])
        printed[how[0]] = capsys.readouterr().out
    assert printed["--packed"] == printed["--no-packed"]
    assert len(printed["--precision"].splitlines()) == 2
    translate.main([*words, "--test"])
    if beam_size == "1":
        assert f"BLEU {result['bleu']:.2f}" in capsys.readouterr().out


def test_the_same_command_again_only_scores(pretrained, tmp_path, capsys):
    first = run_quantize(pretrained, tmp_path, "--epochs", "1")
    before = (tmp_path / "model.bcq.npy").read_bytes()
    capsys.readouterr()
    second = run_quantize(pretrained, tmp_path, "--epochs", "1")
    assert "is complete: 1 epochs" in capsys.readouterr().out
    assert second["bleu"] == first["bleu"]
    assert (tmp_path / "model.bcq.npy").read_bytes() == before


@pytest.mark.parametrize("way", ["--latent", "--no-latent"])
def test_an_interrupted_run_goes_on_to_the_same_end(pretrained, tmp_path, monkeypatch, way):
    arguments = ["--epochs", "2", "--bits", "2", "--every", "4", way]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_quantize(pretrained, whole, *arguments)

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.SaveEpoch, "on_epoch_begin", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_quantize(pretrained, cut, *arguments)
    monkeypatch.undo()
    assert bcq_tf.read(cut / "model.bcq.npy").metadata["epoch"] == 0
    run_quantize(pretrained, cut, *arguments)
    logs = [checkpoint.read_log(folder, 2) for folder in (whole, cut)]
    assert [row["epoch"] for row in logs[1]] == [0, 1]
    # The scales of the last solve are not kept, so the steps agree nearly, not exactly.
    assert logs[0][1]["val_loss"] == pytest.approx(logs[1][1]["val_loss"], rel=0.02)


def test_other_settings_in_the_same_folder_are_refused(pretrained, tmp_path):
    run_quantize(pretrained, tmp_path, "--epochs", "0", "--bits", "3")
    before = (tmp_path / "model.bcq.npy").read_bytes()
    with pytest.raises(UserError, match="holds a run with bits=3. Received: bits=2"):
        run_quantize(pretrained, tmp_path, "--epochs", "0", "--bits", "2")
    with pytest.raises(UserError, match="holds a run with rules=\\[\\]. Received: rules=.*query"):
        run_quantize(pretrained, tmp_path, "--epochs", "0", "--rules", '{"*query*": null}')
    assert (tmp_path / "model.bcq.npy").read_bytes() == before


def test_a_run_is_started_over_where_that_is_asked_for(pretrained, tmp_path):
    run_quantize(pretrained, tmp_path, "--epochs", "0", "--bits", "3")
    (tmp_path / "notes.txt").write_text("mine")
    run_quantize(pretrained, tmp_path, "--epochs", "1", "--bits", "1", "--no-resume")
    assert [row["epoch"] for row in checkpoint.read_log(tmp_path, 9)] == [0]
    assert bcq_tf.read(tmp_path / "model.bcq.npy").metadata["config"]["bits"] == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_folder_that_a_run_starts_from_is_never_its_output(pretrained):
    before = sorted(os.listdir(pretrained))
    with pytest.raises(UserError, match="`output` must be another folder than `from`"):
        run_quantize(pretrained, pretrained, "--no-resume")
    assert sorted(os.listdir(pretrained)) == before


def test_float_trains_on_without_quantizing(pretrained, tmp_path):
    result = run_quantize(pretrained, tmp_path, "--epochs", "1", "--float")
    assert result["bits_per_weight"] == 32
    assert not (tmp_path / "model.bcq.npy").exists()


def test_training_goes_on_with_another_dropout_rate(pretrained, tmp_path):
    run_quantize(pretrained, tmp_path, "--epochs", "0", "--bits", "1", "--dropout", "0")
    assert checkpoint.load_run(tmp_path, weights=None).hparams.dropout_rate == 0
    model = bcq_tf.load_model(tmp_path / "model.bcq.npy")
    rates = {layer.rate for layer in walk_layers(model) if isinstance(layer, keras.layers.Dropout)}
    assert rates == {0}


def test_rules_come_from_text_or_a_file(pretrained, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text('{"*embedding*": 4, "*query*": null}')
    for text in (str(rules), rules.read_text()):
        output = tmp_path / f"run{len(text)}"
        run_quantize(pretrained, output, "--epochs", "0", "--bits", "1", "--rules", text)
        tensors = bcq_tf.read(output / "model.bcq.npy")
        for name, tensor in tensors.items():
            if "embeddings" in name:
                assert tensor.bits == 4
            elif "query/kernel" in name:
                assert isinstance(tensor, np.ndarray)
            elif isinstance(tensor, bcq_tf.BinaryCodes):
                assert tensor.bits == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bits", "0"], "`bits` must be an integer from 1 to 8. Received: bits=0"),
        (["--group-size", "30"], "`group_size` must be None or a positive multiple of 32"),
        (["--every", "0"], "`every_n_steps` must be a positive integer"),
        (["--epochs", "-1"], "`epochs` must not be negative. Received: epochs=-1"),
        (["--dropout", "1"], "`dropout_rate` must be a number from 0 to below 1. Received: .*=1.0"),
        (["--rules", "{nonsense"], "`--rules` must be a JSON object or a file of one"),
        (["--rules", "[1]"], r"`--rules` must be a JSON object. Received: \[1\]"),
        (["--rules", '{"nothing*": 2}'], "`rules` must have patterns that match"),
        (["--schedule", "{nonsense"], "`--schedule` must be a JSON object or a file of one"),
        (["--schedule", '{"x": 2}'], "`--schedule` must have optimizer steps as its keys: .*'x'"),
        (["--schedule", '{"5": 9}'], "`bits` must be an integer .*`schedule`, until step 5"),
        (["--schedule", '{"5": {"nothing*": 3}}'], "`schedule` must have patterns that match"),
        (["--schedule", '{"5": 3}', "--epochs", "0"], "`schedule` needs training"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--learning-rate", "-1"], "`learning_rate` must be a positive number. Received: .*=-1.0"),
        (["--learning-rate", "nan"], "`learning_rate` must be a positive number. Received: .*=nan"),
        (["--seed", "-1"], "`seed` must be from 0 to 4294967295. Received: seed=-1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(pretrained, tmp_path, arguments, message):
    output = tmp_path / "output"
    with pytest.raises(UserError, match=message) as error:
        run_quantize(pretrained, output, *arguments)
    assert "\n" not in str(error.value)
    assert not output.exists()


def test_an_output_that_is_no_folder_is_said_first(pretrained, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(checkpoint, "load_run", None)
    for script in (["--from", str(pretrained)], None):
        run = quantize.main if script else demo.main
        with pytest.raises(NotADirectoryError, match="Is no folder: .*file'"):
            run([*(script or []), "--output", str(tmp_path / "file" / "run")])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: shutil.rmtree(run), "holds no training run"),
        (lambda run: (run / "best.weights.h5").unlink(), "best.weights.h5 is missing"),
        (lambda run: (run / "best.weights.h5").write_bytes(b"x"), "best.weights.h5 is damaged"),
        (lambda run: (run / "hparams.json").write_text("{"), "hparams.json"),
        (lambda run: (run / "source.spm").unlink(), "source.spm"),
    ],
    ids=["no run", "no weights", "damaged weights", "damaged hparams", "no vocabulary"],
)
def test_a_missing_or_damaged_checkpoint_is_named(pretrained, tmp_path, damage, message):
    run = tmp_path / "copy"
    shutil.copytree(pretrained, run)
    damage(run)
    with pytest.raises(UserError, match=message) as error:
        run_quantize(run, tmp_path / "output")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "model.bcq.npy"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "model.bcq.npy"),
        (lambda path: (path.parent / "run.json").unlink(), "holds no training run"),
    ],
    ids=["missing", "truncated", "alone"],
)
def test_translate_names_a_file_it_cannot_use(pretrained, tmp_path, damage, message):
    run_quantize(pretrained, tmp_path, "--epochs", "0")
    path = tmp_path / "model.bcq.npy"
    damage(path)
    with pytest.raises(UserError, match=message) as error:
        translate.main([str(path), "casa."])
    assert "\n" not in str(error.value)


def test_options_may_stand_between_the_file_and_the_sentences():
    options = translate.parse_arguments(["a.npy", "--beam-size", "4", "Hola amigo", "--no-packed"])
    assert (options.file, options.beam_size, options.packed) == ("a.npy", 4, False)
    assert options.sentences == ["Hola amigo"]


@pytest.mark.parametrize("size", ["0", "-2", "65"])
def test_a_beam_of_another_size_is_refused_before_the_model_is_read(size):
    with pytest.raises(UserError, match=f"`beam_size` must be an integer from 1 to 64.*={size}"):
        translate.main(["nowhere.npy", "--beam-size", size])


def test_sentences_that_are_no_text_are_one_line():
    with pytest.raises(UserError, match="sentences must be utf-8 text: invalid start byte"):
        translate.read_lines(io.TextIOWrapper(io.BytesIO(b"ol\xff\n"), "utf-8"))


@pytest.mark.parametrize("script", [pretrain, quantize, translate])
def test_wrong_arguments_are_one_line(script, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        script.main(["a", "--nothing"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unrecognized arguments: ")


@pytest.mark.parametrize("script", [pretrain, quantize, translate, demo])
def test_help_has_a_description(script, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        script.main(["--help"])
    printed = capsys.readouterr().out
    assert "usage" in printed
    assert script is demo or "examples:" in printed


def test_a_script_ends_with_one_line_and_code_2(tmp_path):
    command = [sys.executable, ROOT / "quantize.py", "--from", tmp_path / "nothing"]
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr == (f"error: {tmp_path / 'nothing'} holds no training run (no run.json); "
                           "make one with pretrain.py\n")  # fmt: skip
    assert os.listdir(tmp_path) == []


def test_the_examples_models_are_fully_quantized(pretrained):
    model = checkpoint.load_run(pretrained).model
    plan = bcq_tf.select(model)
    left = [weight for weight in plan.skipped if len(weight.variable.shape) > 1]
    # Query, key and value biases have rank 2 [heads, key_dim], and are no matrices of a product.
    assert {weight.reason for weight in left} <= {"bias"}
    assert isinstance(model, keras.Model)
