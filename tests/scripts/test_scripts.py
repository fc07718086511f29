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
from tests.eager import eagerly, graphs
from transformer import checkpoint
from transformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TRAINING = ["--bits", "2", "--epochs", "2", "--every", "3"]


@pytest.fixture(scope="module", autouse=True)
def _eagerly():
    with eagerly():
        yield


@pytest.fixture(scope="module")
def pretrained(data, tmp_path_factory):
    """The folder of a pretrained run."""
    folder = tmp_path_factory.mktemp("runs") / "float"
    options = {"--hparams": data / "hparams.json", "--data": data, "--output": folder}
    pretrain.main([str(part) for option in options.items() for part in option])
    return folder


@pytest.fixture(scope="module")
def one_shot(pretrained, tmp_path_factory):
    """The folder of that model in 3 bits, without training."""
    folder = tmp_path_factory.mktemp("one_shot") / "run"
    run_quantize(pretrained, folder, "--epochs", "0")
    return folder


@pytest.mark.filterwarnings("ignore:`calibration` has too few")
def test_codes_are_solved_for_training_sentences(pretrained, one_shot, tmp_path):
    run_quantize(pretrained, tmp_path / "run", "--epochs", "0", "--calibration", "40")
    files = [bcq_tf.read(folder / "model.bcq.npy") for folder in (one_shot, tmp_path / "run")]
    plain, calibrated = (dict(file.items()) for file in files)
    assert plain.keys() == calibrated.keys()
    for name, codes in plain.items():
        if isinstance(codes, bcq_tf.BinaryCodes):
            assert codes.nbytes == calibrated[name].nbytes
            assert not np.array_equal(codes.reconstruct(), calibrated[name].reconstruct())


@pytest.mark.filterwarnings("ignore:`calibration` has too few")
def test_a_budget_is_spent_by_training_sentences(pretrained, tmp_path):
    words = ["--budget", "2.3", "--calibration", "40", "--epochs"]
    run_quantize(pretrained, tmp_path / "run", *words, "0")
    opened = bcq_tf.read(tmp_path / "run" / "model.bcq.npy")
    report = bcq_tf.Report.of(opened, opened.metadata)
    assert 1.9 < report.bits_per_weight <= 2.3
    rules = json.loads((tmp_path / "run" / "rules.json").read_text("utf-8"))
    assert any("row_bits" in rule for rule in rules.values())


@pytest.mark.filterwarnings("ignore:`calibration` has too few")
def test_scales_are_tuned_by_training_sentences(pretrained, tmp_path):
    words = ["--bits", "2", "--epochs", "0", "--calibration", "40", "--tune"]
    files = []
    for passes in ("0", "2"):
        run_quantize(pretrained, tmp_path / passes, *words, passes)
        files.append(bcq_tf.read(tmp_path / passes / "model.bcq.npy"))
    for name, codes in files[0].items():
        if isinstance(codes, bcq_tf.BinaryCodes):
            np.testing.assert_array_equal(codes.planes[0], files[1][name].planes[0])
    reports = [bcq_tf.Report.of(file, file.metadata) for file in files]
    solved, tuned = ([weight.error for weight in report.chosen] for report in reports)
    assert solved != tuned


@pytest.fixture(scope="module")
def trained(pretrained, tmp_path_factory):
    """The folder of two epochs of latent training, in a graph."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with graphs():
        run_quantize(pretrained, folder, *TRAINING)
    return folder


@pytest.fixture
def quantized(one_shot, tmp_path):
    """A copy of the model in 3 bits, to be changed."""
    return Path(shutil.copytree(one_shot, tmp_path / "run"))


def run_quantize(pretrained, output, *arguments):
    quantize.main(["--from", str(pretrained), "--output", str(output), *arguments])
    return checkpoint.load_result(output)


def test_the_same_command_again_only_scores(pretrained, trained, tmp_path, capsys):
    output = Path(shutil.copytree(trained, tmp_path / "run"))
    before = (output / "model.bcq.npy").read_bytes()
    first = checkpoint.load_result(output)
    assert first["nbytes"] == len(before)
    assert 2 < first["bits_per_weight"] < 4
    second = run_quantize(pretrained, output, *TRAINING)
    printed = capsys.readouterr().out
    assert "is complete: 2 epochs" in printed
    assert "source_embedding/embeddings" in printed
    assert f"BLEU {first['bleu']:.2f}" in printed
    assert second["bleu"] == first["bleu"]
    assert (output / "model.bcq.npy").read_bytes() == before


def test_an_interrupted_run_goes_on_to_the_same_end(pretrained, trained, tmp_path, monkeypatch):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.SaveEpoch, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_quantize(pretrained, tmp_path, *TRAINING)
    assert bcq_tf.read(tmp_path / "model.bcq.npy").metadata["epoch"] == 0
    run_quantize(pretrained, tmp_path, *TRAINING)
    logs = [checkpoint.read_log(folder, 2) for folder in (trained, tmp_path)]
    assert [row["epoch"] for row in logs[1]] == [0, 1]
    # The scales of the last solve are not kept, so the steps agree nearly, not exactly.
    assert logs[0][1]["val_loss"] == pytest.approx(logs[1][1]["val_loss"], rel=0.02)


def test_quantize_in_one_shot_then_translate(pretrained, tmp_path, capsys):
    uniform = ["--epochs", "0", "--solver", "uniform", "--group-size", "32"]
    result = run_quantize(pretrained, tmp_path, "--bits", "2", *uniform)
    assert result["nbytes"] == (tmp_path / "model.bcq.npy").stat().st_size
    assert 2 < result["bits_per_weight"] < 4
    printed = capsys.readouterr().out
    assert "source_embedding/embeddings" in printed
    assert f"BLEU {result['bleu']:.2f}" in printed
    translate.main([str(tmp_path / "model.bcq.npy"), "casa.", "gato verde."])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_translate_reads_standard_input_in_order(one_shot, capsys, monkeypatch):
    path = str(one_shot / "model.bcq.npy")
    sentences = ["gato.", "casa verde rio.", "rio."]
    capsys.readouterr()
    translate.main([path, *sentences])
    expected = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", [f"{sentence}\n" for sentence in sentences])
    with graphs():
        translate.main([path])
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("beam_size", ["1", "3"])
def test_packed_and_float_translate_alike(one_shot, capsys, beam_size):
    words = [str(one_shot / "model.bcq.npy"), "gato.", "casa verde rio.", "--beam-size", beam_size]
    printed = {}
    for how in (["--packed"], ["--no-packed"], ["--precision", "fast"]):
        capsys.readouterr()
        translate.main([*words, *how])
        printed[how[0]] = capsys.readouterr().out
    assert printed["--packed"] == printed["--no-packed"]
    assert len(printed["--precision"].splitlines()) == 2
    if beam_size == "1":
        translate.main([*words, "--test"])
        bleu = checkpoint.load_result(one_shot)["bleu"]
        assert f"BLEU {bleu:.2f}" in capsys.readouterr().out


def test_other_settings_in_the_same_folder_are_refused(pretrained, quantized):
    before = (quantized / "model.bcq.npy").read_bytes()
    with pytest.raises(UserError, match="holds a run with bits=3. Received: bits=2"):
        run_quantize(pretrained, quantized, "--epochs", "0", "--bits", "2")
    with pytest.raises(UserError, match="holds a run with rules=\\[\\]. Received: rules=.*query"):
        run_quantize(pretrained, quantized, "--epochs", "0", "--rules", '{"*query*": null}')
    assert (quantized / "model.bcq.npy").read_bytes() == before


def test_a_run_of_before_an_option_was_there_goes_on(pretrained, trained, tmp_path):
    output = Path(shutil.copytree(trained, tmp_path / "run"))
    settings = json.loads((output / "quantize.json").read_text("utf-8"))
    for name in ("tune", "distill", "temperature", "budget"):
        del settings[name]
    (output / "quantize.json").write_text(json.dumps(settings), "utf-8")
    assert run_quantize(pretrained, output, *TRAINING)
    with pytest.raises(UserError, match="holds a run with distill=None. Received: distill=0.5"):
        run_quantize(pretrained, output, *TRAINING, "--distill", "0.5")


def test_a_run_is_started_over_where_that_is_asked_for(pretrained, quantized, monkeypatch):
    made, make = [], quantize.make_callback
    monkeypatch.setattr(quantize, "make_callback", lambda *a: made.append(make(*a)) or made[-1])
    (quantized / "notes.txt").write_text("mine")
    words = ["--epochs", "1", "--bits", "1", "--no-latent", "--schedule", '{"1": 4}']
    run_quantize(pretrained, quantized, *words, "--no-resume")
    assert not any(callback.latent for callback in made)
    assert [phase.until for phase in made[-1].phases] == [1]
    assert [row["epoch"] for row in checkpoint.read_log(quantized, 9)] == [0]
    assert bcq_tf.read(quantized / "model.bcq.npy").metadata["config"]["bits"] == 1
    assert (quantized / "notes.txt").read_text() == "mine"


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
    assert quantize.read_object("rules", rules.read_text()) == quantize.read_object("rules", rules)
    output = tmp_path / "run"
    run_quantize(pretrained, output, "--epochs", "0", "--bits", "1", "--rules", str(rules))
    tensors = bcq_tf.read(output / "model.bcq.npy")
    for name, tensor in tensors.items():
        if "embeddings" in name:
            assert tensor.bits == 4
        elif "query/kernel" in name:
            assert isinstance(tensor, np.ndarray)
        elif isinstance(tensor, bcq_tf.BinaryCodes):
            assert tensor.bits == 1


def test_the_float_model_teaches(pretrained, tmp_path):
    losses = [
        run_quantize(pretrained, tmp_path / name, "--epochs", "1", *words)
        and (tmp_path / name / "log.csv").read_text("utf-8")
        for name, words in (("plain", []), ("taught", ["--distill", "1"]))
    ]
    assert losses[0] != losses[1]
    assert (tmp_path / "taught" / "model.bcq.npy").exists()


def test_a_scope_leaves_other_layers_float(pretrained, tmp_path):
    words = ["--epochs", "0", "--bits", "8", "--solver", "uniform", "--scope", "attention"]
    run_quantize(pretrained, tmp_path / "run", *words)
    codes = {
        name: value.bits
        for name, value in bcq_tf.read(tmp_path / "run" / "model.bcq.npy").items()
        if isinstance(value, bcq_tf.BinaryCodes)
    }
    assert set(codes.values()) == {8}
    assert all("attention" in name for name in codes)


@pytest.fixture(scope="module")
def loaded(pretrained):
    """The pretrained run, read once for tests that leave it as it is."""
    return checkpoint.load_run(pretrained)


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
        (["--calibration", "9"], "`calibration` needs --epochs 0 or --budget. Received: epochs=5"),
        (["--budget", "2"], "`budget` needs `calibration`"),
        (["--budget", "2", "--bits", "3", "--calibration", "9"], "must be given without `bits`"),
        (["--calibration", "-1", "--epochs", "0"], "`calibration` must not be negative"),
        (["--tune", "1", "--epochs", "0"], "`tune` needs --epochs 0 and --calibration"),
        (["--tune", "1", "--budget", "2", "--calibration", "9"], "`tune` needs --epochs 0 and"),
        (["--tune", "-1", "--epochs", "0", "--calibration", "9"], "`tune` must be an integer >= 0"),
        (["--distill", "0"], "`alpha` must be a positive number. Received: alpha=0.0"),
        (["--distill", "0.5", "--temperature", "0"], "`temperature` must be a positive number"),
        (["--distill", "0.5", "--epochs", "0"], "`distill` needs quantized training"),
        (["--distill", "0.5", "--float"], "`distill` needs quantized training"),
        (["--scope", "attention,linear"], "`scope` must be one of .*or some with '\\+' between"),
        (["--scope", "convolution"], "`scope` must have weights of the model in it, which are of"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--learning-rate", "-1"], "`learning_rate` must be a positive number. Received: .*=-1.0"),
        (["--learning-rate", "nan"], "`learning_rate` must be a positive number. Received: .*=nan"),
        (["--seed", "-1"], "`seed` must be from 0 to 4294967295. Received: seed=-1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    pretrained, loaded, tmp_path, monkeypatch, arguments, message
):
    output = tmp_path / "output"
    if "--dropout" not in arguments:  # which makes the model anew
        monkeypatch.setattr(checkpoint, "load_run", lambda *_, **__: loaded)
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
def test_translate_names_a_file_it_cannot_use(quantized, damage, message):
    path = quantized / "model.bcq.npy"
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


def test_the_examples_models_are_fully_quantized(loaded):
    model = loaded.model
    plan = bcq_tf.select(model)
    left = [weight for weight in plan.skipped if len(weight.variable.shape) > 1]
    # Query, key and value biases have rank 2 [heads, key_dim], and are no matrices of a product.
    assert {weight.reason for weight in left} <= {"bias"}
    assert isinstance(model, keras.Model)
