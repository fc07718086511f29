"""pretrain.py: a run, its interruption, its continuation, and wrong input."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pretrain
from tests.transformer.conftest import make_hparams, make_pairs
from transformer import checkpoint
from transformer.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with hparams.json and the six files of sentences."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "hparams.json").write_text(json.dumps(make_hparams().to_dict()))
    for split, start, count in (("train", 0, 60), ("val", 60, 10), ("test", 70, 10)):
        pairs = make_pairs(count, start)
        (folder / f"{split}.pt").write_text("\n".join(pairs.source) + "\n", encoding="utf-8")
        (folder / f"{split}.en").write_text("\n".join(pairs.target) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def command(inputs, tmp_path):
    """A function that runs pretrain.py in this process and returns the run's folder."""

    def run(*more, output="run"):
        options = {"--hparams": inputs / "hparams.json", "--data": inputs}
        options["--output"] = tmp_path / output
        pretrain.main([*(str(part) for option in options.items() for part in option), *more])
        return tmp_path / output

    return run


class InterruptAt(keras.callbacks.Callback):
    """Ctrl-C in the middle of an epoch (counted from 0)."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch_to_stop, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.epoch_to_stop and batch == 2:
            raise KeyboardInterrupt


def interrupt_fit(monkeypatch, epoch):
    fit = keras.Model.fit

    def interrupted(model, *args, callbacks, **kwargs):
        return fit(model, *args, callbacks=[*callbacks, InterruptAt(epoch)], **kwargs)

    monkeypatch.setattr(keras.Model, "fit", interrupted)


def weights(folder):
    return checkpoint.load_run(folder, weights=checkpoint.LAST).model.get_weights()


def test_a_run_leaves_all_that_later_scripts_need(command, capsys):
    folder = command()
    printed = capsys.readouterr().out
    assert "60 training pairs in " in printed
    assert "(0 pairs longer than 24 tokens dropped)" in printed
    run = checkpoint.load_run(folder)
    assert run.hparams == make_hparams()
    assert [row["epoch"] for row in checkpoint.read_log(folder, 99)] == [0, 1]
    result = checkpoint.load_result(folder)
    assert f"test set: BLEU {result['bleu']:.2f} (nrefs:1|" in printed


def test_the_same_seed_gives_the_same_weights(command):
    first, same = weights(command(output="a")), weights(command(output="b"))
    other = weights(command("--seed", "1", output="c"))
    assert all(np.array_equal(x, y) for x, y in zip(first, same, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(first, other, strict=True))


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(command, monkeypatch, epoch):
    whole = command(output="whole")
    with monkeypatch.context() as patch:
        interrupt_fit(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            command(output="cut")
    cut = command(output="cut")
    assert all(np.array_equal(x, y) for x, y in zip(weights(whole), weights(cut), strict=True))
    assert (cut / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_a_complete_run_says_so_and_takes_more_epochs(command, capsys):
    folder = command()
    before = (folder / checkpoint.BEST).read_bytes()
    capsys.readouterr()
    command()
    assert "is complete: 2 epochs" in capsys.readouterr().out
    assert (folder / checkpoint.BEST).read_bytes() == before
    command("--epochs", "3")
    assert [row["epoch"] for row in checkpoint.read_log(folder, 99)] == [0, 1, 2]


def test_the_epoch_with_the_lowest_loss_is_found_again_after_a_restart(command):
    folder = command()
    log = checkpoint.read_log(folder, 2)
    checkpoint.write_log(folder, [{**row, "val_loss": -1.0} for row in log])
    before = (folder / checkpoint.BEST).read_bytes()
    command("--epochs", "3")
    assert (folder / checkpoint.BEST).read_bytes() == before


def test_no_resume_starts_over(command):
    folder = command("--epochs", "1", "--seed", "3")
    command("--epochs", "1", "--no-resume")
    assert checkpoint.load_run(folder).seed == 0
    assert len(checkpoint.read_log(folder, 99)) == 1


def test_other_settings_in_the_same_folder_are_refused(command):
    folder = command("--epochs", "1")
    before = (folder / checkpoint.BEST).read_bytes()
    with pytest.raises(UserError, match="holds a run with seed=0. Received: seed=1"):
        command("--seed", "1")
    assert (folder / checkpoint.BEST).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "`epochs` must be a positive integer. Received: epochs=0"),
        (["--hparams", "absent.json"], "absent.json"),
        (["--data", "absent"], "absent"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(command, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        command(*arguments)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_script_ends_with_one_line_and_code_2(tmp_path):
    script = [sys.executable, ROOT / "pretrain.py", "--hparams", tmp_path / "absent.json"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if "absent.json" in line]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert "Traceback" not in done.stderr
