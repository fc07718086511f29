"""The folder of a training run: what it holds, how it is written, how it is read.

    run.json          data, languages, seed
    hparams.json      the hyperparameters
    source.spm, target.spm    the vocabularies
    best.weights.h5   weights of the best epoch; what `load_run` loads
    last.weights.h5   weights and optimizer state of the last epoch; where training goes on
    log.csv           one row an epoch
    result.json       the test set's score and the model's size

Files are written beside their place and moved there when whole.
"""

import contextlib
import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path

import keras

from transformer import hparams as hparams_module
from transformer.corpus import DEMO_LANGUAGES
from transformer.errors import UserError
from transformer.hparams import Hparams
from transformer.model import Transformer, build_model
from transformer.vocabulary import Vocabularies

BEST, LAST, LOG = "best.weights.h5", "last.weights.h5", "log.csv"
RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """A model and what is needed to use it.

    data, languages: the corpus, as `corpus.load_corpus` takes it. seed: the random seed of the
    training.
    """

    model: Transformer
    hparams: Hparams
    vocabularies: Vocabularies
    data: str
    seed: int
    languages: tuple[str, str] = DEMO_LANGUAGES


def save_run(folder, run):
    """Writes everything of a run but its weights; makes the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.vocabularies.save(folder)
    write_json(folder / "hparams.json", run.hparams.to_dict())
    write_json(folder / "run.json", _said(run))


def load_run(folder, weights=BEST, model=None, dropout_rate=None):
    """Reads a run: its model is built, not compiled, and has the weights of the best epoch.

    weights: the weights file of the folder to load; None leaves fresh weights.
    model: the run's model, where it has been read from elsewhere; None makes it.
    dropout_rate: of the model that is made, in place of the run's.

    Raises UserError where the folder or a file is missing, damaged or does not fit.
    """
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} holds no training run (no run.json); make one with pretrain.py")
    settings = read_json(folder / "run.json", {"data": str, "seed": int})
    hparams = hparams_module.load(folder / "hparams.json")
    if dropout_rate is not None:
        hparams = dataclasses.replace(hparams, dropout_rate=dropout_rate)
    vocabularies = Vocabularies.load(folder)
    model = model or build_model(hparams, vocabularies)
    if weights is not None:
        load_weights(model, folder / weights)
    pairs = zip(("source", "target"), DEMO_LANGUAGES, strict=True)
    languages = tuple(str(settings.get(name, usual)) for name, usual in pairs)
    return Run(model, hparams, vocabularies, settings["data"], settings["seed"], languages)


def load_weights(model, path):
    """Loads a weights file, with the optimizer's state where the model is compiled."""
    if not Path(path).is_file():
        raise UserError(f"weights file {path} is missing; finish an epoch of pretrain.py first")
    if model.compiled:
        model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"weights file {path} is damaged or does not fit: {reason}") from None


def save_result(folder, result, weights, bits_per_weight, nbytes):
    """Writes result.json: an `Evaluation`, its translations left out, and the model's size.

    weights: how many. bits_per_weight: of the weights that are quantized. nbytes: of the file.
    """
    values = {
        "bleu": result.bleu,
        "signature": result.signature,
        "sentences_per_second": result.sentences_per_second,
        "weights": weights,
        "bits_per_weight": bits_per_weight,
        "nbytes": nbytes,
    }
    write_json(Path(folder) / RESULT, values)


def load_result(folder):
    """The dictionary that `save_result` wrote."""
    return read_json(Path(folder) / RESULT, {"bleu": float, "weights": int, "nbytes": int})


def write_json(path, values):
    """Writes a JSON file whole or not at all."""
    temporary = Path(f"{path}.tmp")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_json(path, kinds):
    """Reads a JSON object that has the keys of `kinds`, with values of those types."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        valid = all(isinstance(values.get(key), kind) for key, kind in kinds.items())
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"cannot read {path}: {error}") from None
    if not valid:
        raise UserError(f"{path} is damaged: it must hold {', '.join(kinds)}")
    return values


class SaveEpoch(keras.callbacks.Callback):
    """After each epoch writes last.weights.h5, and best.weights.h5 where `monitor` fell.

    best: the lowest value of `monitor` in earlier epochs of the run.
    saving: makes the context in which the model has the weights to be saved.
    """

    def __init__(
        self, folder, monitor="val_loss", best=float("inf"), saving=contextlib.nullcontext
    ):
        super().__init__()
        self.folder, self.monitor, self.best = Path(folder), monitor, best
        self.saving = saving

    def on_epoch_end(self, epoch, logs=None):
        temporary = self.folder / "writing.weights.h5"
        with self.saving():
            self.model.save_weights(temporary)
        if logs[self.monitor] < self.best:
            self.best = logs[self.monitor]
            copy = self.folder / "copying.weights.h5"
            shutil.copyfile(temporary, copy)
            os.replace(copy, self.folder / BEST)
        os.replace(temporary, self.folder / LAST)


def read_log(folder, epochs):
    """The log's rows of the first `epochs` epochs: dictionaries from column to float."""
    path = Path(folder) / LOG
    if not path.is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from None
    return [row for row in rows if row["epoch"] < epochs]


def write_log(folder, rows):
    """Replaces the log by `rows`."""
    temporary = Path(folder) / "log.csv.tmp"
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        if rows:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)
    os.replace(temporary, Path(folder) / LOG)


def restore(folder, model, steps_per_epoch):
    """Loads last.weights.h5 into a compiled model; returns how many epochs were trained."""
    path = Path(folder) / LAST
    if not path.is_file():
        return 0
    load_weights(model, path)
    return int(model.optimizer.iterations) // steps_per_epoch


def check_same(folder, old, new):
    """Raises UserError where the settings of a new `Run` are not those of the one in `folder`."""
    settings = _settings(new)
    for name, value in _settings(old).items():
        if name != "epochs" and settings[name] != value:
            raise UserError(
                f"{folder} holds a run with {name}={value}. Received: {name}={settings[name]}; "
                "give another --output, or --no-resume to start over"
            )


def _settings(run):
    return {**run.hparams.to_dict(), **_said(run)}


def _said(run):
    source, target = run.languages
    return {"data": run.data, "source": source, "target": target, "seed": run.seed}


def clear_run(folder):
    """Deletes the files of a run, run.json first, and nothing else."""
    for name in ("run.json", "hparams.json", "source.spm", "target.spm", BEST, LAST, LOG, RESULT):
        (Path(folder) / name).unlink(missing_ok=True)
