"""With which of the files that are there a run goes on: those of its own, or that it is told to."""

from __future__ import annotations

import dataclasses
import uuid

import numpy as np

from bcq_tf._keras import as_array, print_message
from bcq_tf.codes import BinaryCodes
from bcq_tf.files import file
from bcq_tf.files.file import QuantizedFile
from bcq_tf.files.stored_weights import StoredWeight, codes_by_position
from bcq_tf.models.contents import ModelContents
from bcq_tf.models.match import match_model
from bcq_tf.selection.layer_views import PACKED
from bcq_tf.training.backups import Backups
from bcq_tf.training.checkpoints import BestFiles, rank
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.rating import is_value, rating_text


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of training, which may be cut short and go on in another process.

    Args:
        identity: a random name, which stands in the run's files.
        files: where it writes its best epochs.
        best: the run's best file so far, in memory, since it may be replaced while training goes
            on; None where there is none.
        codes: {position: BinaryCodes} that training goes on from; empty where it begins.
        step: that it goes on from, as far as the run knows.
        is_restored: whether BackupAndRestore has a state of this run.
    """

    identity: str
    files: BestFiles
    best: QuantizedFile | None = None
    codes: dict[int, BinaryCodes] = dataclasses.field(default_factory=dict)
    step: int = 0
    is_restored: bool = False


class Settings:
    """What must be equal in a run that goes on.

    Args:
        quantizer: its plan is that of the end of training.
        monitor: the log entry that rates an epoch.
        mode: "min", "max", or "auto", which goes with both.
    """

    def __init__(self, quantizer: ModelQuantizer, monitor: str, mode: str):
        self._quantizer, self._mode = quantizer, mode
        self.values = quantizer.settings() | {"monitor": monitor}

    def differing(self, opened: QuantizedFile) -> str | None:
        """What of a file's settings or of its model's weights differs; None where nothing does.

        Raises:
            FileFormatError: it holds no model's weights.
        """
        weights, metadata = ModelContents.of_file(opened).weights, opened.metadata
        if not _is_of_model(weights, self._quantizer):
            return "the model"
        found = {key: metadata.get(key) for key in self.values}
        found["weights"] = {key: _settings(line) for key, line in found["weights"].items()}
        names = [key for key, value in self.values.items() if found[key] != value]
        if self._mode not in ("auto", metadata.get("mode", self._mode)):
            names.append("mode")
        if not names and not is_value(metadata.get("value")):
            names.append("value")
        return ", ".join(names) or None


def check_resume(resume) -> None:
    """Raises TypeError where `resume` is none of True, False and None."""
    if resume is not None and not isinstance(resume, bool):
        raise TypeError(f"`resume` must be True, False or None. Received: resume={resume!r}")


def begin_run(files: BestFiles, backups: Backups, settings: Settings, resume: bool | None) -> Run:
    """The run that a `fit` begins or goes on with, and prints a line where it goes on.

    Args:
        files: of the `fit`.
        backups: of the `fit`, which may have restored an interrupted run.
        settings: of the `fit`.
        resume: whether to go on with the files whatever run they are of; None: only with those of
            the interrupted run; False: neither with that.

    Raises:
        ValueError: `resume` is True and the files are of other settings or another model.
        FileFormatError: a file is damaged.
    """
    state = None if resume is False else backups.restored()
    if state is not None and state.metadata["settings"] != settings.values:
        state = None
    interrupted = None if state is None else state.metadata["run"]
    own = _own_files(files, interrupted, settings, resume)
    files.start(own)
    best = file.read(_best(own).path, mapped=False) if own else None
    identity = interrupted or (best and best.metadata.get("run")) or uuid.uuid4().hex
    if best is not None:
        print_message(f"Going on with {best.path}: {rating_text(best.metadata)}")
    elif state:
        print_message("Going on with an interrupted run, of which no epoch was kept")
    if state is None:
        return Run(identity, files, best)
    return Run(identity, files, best, codes_by_position(state), state.metadata["step"], True)


def _own_files(
    files: BestFiles, interrupted: str | None, settings: Settings, resume: bool | None
) -> list[QuantizedFile]:
    """The files that a run goes on with."""
    if interrupted is None and not resume:
        files.check()
        return []
    found = files.read_all()
    own = [f for f in found if interrupted is not None and f.metadata.get("run") == interrupted]
    return _told(found, settings) if found and resume and not own else own


def _best(opened: list[QuantizedFile]) -> QuantizedFile:
    return max(opened, key=lambda one: rank(one.metadata))


def _told(found: list[QuantizedFile], settings: Settings) -> list[QuantizedFile]:
    """The files of the run that has the best one of those with equal settings."""
    differing = {opened.path: settings.differing(opened) for opened in found}
    alike = [opened for opened in found if differing[opened.path] is None]
    if not alike:
        path, names = next(iter(differing.items()))
        raise ValueError(
            "`resume=True` needs a file that was made with the same settings and model. "
            f"Received: '{path}', which differs in: {names}"
        )
    best = _best(alike)
    run = best.metadata.get("run")
    return [f for f in alike if f is best or (run and f.metadata.get("run") == run)]


def _is_of_model(weights: list[StoredWeight], quantizer: ModelQuantizer) -> bool:
    # Whether a file's weights have the shapes of the model's, and its packed codes.
    try:
        weights = match_model(quantizer.model, weights)
    except ValueError:
        return False
    skipped = [w for w in quantizer.plan.skipped if w.reason == PACKED and not w.variable.trainable]
    return all(np.array_equal(as_array(w.variable), weights[w.position].value()) for w in skipped)


def _settings(line):
    # Of a weight's line in a file, which also has the error of its codes.
    return {k: v for k, v in line.items() if k != "error"} if isinstance(line, dict) else line
