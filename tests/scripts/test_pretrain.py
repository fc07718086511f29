"""pretrain.py: a run, its interruption, its continuation, and wrong input."""

import runpy
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pretrain
from tests.eager import eagerly
from tests.scripts.conftest import HPARAMS
from transformer import checkpoint
from transformer.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _eagerly():
    with eagerly():
        yield


def arguments(data, output):
    options = {"--hparams": data / "hparams.json", "--data": data, "--output": output}
    return [str(part) for option in options.items() for part in option]


@pytest.fixture
def command(data, tmp_path):
    """A function that runs pretrain.py in this process, with more arguments."""
    return lambda *more: pretrain.main([*arguments(data, tmp_path / "run"), *more])


class InterruptAt(keras.callbacks.Callback):
    """Ctrl-C after the first batch of an epoch (counted from 0)."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch_to_stop, self.epoch = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.epoch_to_stop:
            raise KeyboardInterrupt


def interrupt_fit(monkeypatch, epoch):
    fit = keras.Model.fit

    def interrupted(model, *args, callbacks, **kwargs):
        return fit(model, *args, callbacks=[*callbacks, InterruptAt(epoch)], **kwargs)

    monkeypatch.setattr(keras.Model, "fit", interrupted)


def same_weights(*folders):
    runs = [checkpoint.load_run(folder, weights=checkpoint.LAST) for folder in folders]
    pairs = zip(*(run.model.get_weights() for run in runs), strict=True)
    return all(np.array_equal(first, second) for first, second in pairs)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a run of two epochs, seed 0."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    pretrain.main(arguments(data, folder))
    return folder


@pytest.fixture
def done(whole, tmp_path):
    """A copy of the whole run, where `command` runs."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_run_leaves_all_that_later_scripts_need(done, command, capsys):
    run = checkpoint.load_run(done)
    assert run.hparams == HPARAMS
    assert [row["epoch"] for row in checkpoint.read_log(done, 99)] == [0, 1]
    result = checkpoint.load_result(done)
    before = (done / checkpoint.BEST).read_bytes()
    command()
    printed = capsys.readouterr().out
    assert "24 training pairs in " in printed
    assert "(0 pairs longer than 24 tokens dropped)" in printed
    assert "is complete: 2 epochs" in printed
    assert f"test set: BLEU {result['bleu']:.2f} (nrefs:1|" in printed
    assert (done / checkpoint.BEST).read_bytes() == before


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    whole, command, tmp_path, monkeypatch
):
    for epoch in (0, 1):
        with monkeypatch.context() as patch:
            interrupt_fit(patch, epoch)
            with pytest.raises(KeyboardInterrupt):
                command()
        assert len(checkpoint.read_log(tmp_path / "run", 99)) == epoch
    command()
    assert same_weights(whole, tmp_path / "run")
    assert (tmp_path / "run" / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_another_seed_gives_other_weights_in_place_of_the_old(whole, done, command):
    command("--seed", "1", "--epochs", "1", "--no-resume")
    assert checkpoint.load_run(done).seed == 1
    assert [row["epoch"] for row in checkpoint.read_log(done, 99)] == [0]
    assert not same_weights(whole, done)


def test_more_epochs_keep_the_best_of_the_earlier_ones(done, command):
    log = checkpoint.read_log(done, 2)
    checkpoint.write_log(done, [{**row, "val_loss": -1.0} for row in log])
    before = (done / checkpoint.BEST).read_bytes()
    command("--epochs", "3")
    assert [row["epoch"] for row in checkpoint.read_log(done, 99)] == [0, 1, 2]
    assert (done / checkpoint.BEST).read_bytes() == before


def test_other_settings_in_the_same_folder_are_refused(done, command):
    before = (done / checkpoint.BEST).read_bytes()
    with pytest.raises(UserError, match="holds a run with seed=0. Received: seed=1"):
        command("--seed", "1")
    assert (done / checkpoint.BEST).read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--epochs", "0"], "`epochs` must be a positive integer. Received: epochs=0"),
        (["--hparams", "absent.json"], "absent.json"),
        (["--data", "absent"], "absent"),
        (["--seed", "-1"], "`seed` must be from 0 to 4294967295. Received: seed=-1"),
        (["--source", "es"], r"cannot read .*train\.es"),
        (["--source", "en"], "`target` must be another language than `source`. Received: en"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(command, tmp_path, more, message):
    with pytest.raises(UserError, match=message) as error:
        command(*more)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_the_script_ends_with_one_line_and_code_2(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["pretrain.py", "--hparams", str(tmp_path / "absent.json")])
    with pytest.raises(SystemExit, match="^2$"):
        runpy.run_path(str(ROOT / "pretrain.py"), run_name="__main__")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "absent.json" in line
