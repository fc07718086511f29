"""A run of training: which it is, its best epoch, and the files that it goes on with."""

from __future__ import annotations

import glob
import uuid

import numpy as np

from bcq_tf._keras import (
    as_array,
    is_first_process,
    of_first_process,
    print_message,
    wait_for_processes,
)
from bcq_tf.codes import BinaryCodes
from bcq_tf.config import BCQConfig, Rule
from bcq_tf.files import file
from bcq_tf.files.file import QuantizedFile
from bcq_tf.files.stored_weights import codes_by_position
from bcq_tf.models.contents import ModelContents
from bcq_tf.models.match import match_model
from bcq_tf.selection.layer_views import PACKED
from bcq_tf.training.backups import Backups
from bcq_tf.training.checkpoints import BestFiles, rank
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.rating import is_value, rating_text


def check_resume(resume) -> None:
    """Raises TypeError where `resume` is none of True, False and None."""
    if resume is not None and not isinstance(resume, bool):
        raise TypeError(f"`resume` must be True, False or None. Received: resume={resume!r}")


def earlier_rules(
    quantizer: ModelQuantizer, backups: Backups, files: BestFiles, resume: bool | None
) -> list[Rule] | None:
    """The rules by which a run that goes on has quantized a model; None where none goes on.

    A budget is spent once in a run: what it gave is in the codes of its files.
    """
    if resume is False:
        return None
    state = backups.restored()
    if state is not None and len(state):
        return _rules(quantizer, state, state.metadata["settings"])
    found = files.read_all() if resume else []
    return _rules(quantizer, _best(found), _best(found).metadata) if found else None


def _rules(quantizer: ModelQuantizer, opened: QuantizedFile, settings: dict) -> list[Rule] | None:
    weights = {str(weight.position): weight for weight in quantizer.plan.chosen}
    coded = {n: v for n, v in opened.items() if isinstance(v, BinaryCodes)}
    codes = {str(position): value for position, value in codes_by_position(coded).items()}
    shapes = {position: weight.view.matrix_shape for position, weight in weights.items()}
    if {position: value.shape for position, value in codes.items()} != shapes:
        return None  # of another model
    rules = []
    for position, weight in weights.items():
        config = settings["config"] | settings["weights"][position].get("config", {})
        if "row_bits" in config:
            config["row_bits"] = "".join(map(str, codes[position].row_bits))
        rules.append(Rule(glob.escape(weight.path), BCQConfig(**config), weight.view.columns))
    return rules


class Run:
    """A run, which may be cut short and go on in another process. A line is printed where it does.

    quantizer: of the model that trains, with the plan of the end of training.

    Attributes:
        identity: a random name, which stands in the run's files.
        settings: what must be equal in a run that goes on.
        best: the tensors and the metadata of the best epoch's file; None before one was kept.
        best_value: what the best of the rated epochs is rated; None before one.
        codes: {position: BinaryCodes} that training goes on from; empty where it begins.
        step: that it goes on from, as far as the run knows.
        is_restored: whether BackupAndRestore has a state of this run.
    """

    def __init__(
        self, quantizer: ModelQuantizer, files: BestFiles, monitor: str, mode: str, verbose: int
    ):
        self._quantizer, self._files, self._verbose = quantizer, files, verbose
        self._mode = mode
        self.identity, self.settings = "", quantizer.settings() | {"monitor": monitor}
        self.best, self.best_value = None, None
        self.codes: dict[int, BinaryCodes] = {}
        self.step, self.is_restored = 0, False

    def begin(self, backups: Backups, resume: bool | None) -> None:
        """Begins, or goes on with what there is.

        Args:
            backups: of the `fit`, which may have restored an interrupted run.
            resume: whether to go on with the files whatever run they are of; None: only with those
                of the interrupted run; False: neither with that.

        Raises:
            ValueError: `resume` is True and the files are of other settings or another model.
            FileFormatError: a file is damaged.
        """
        state = None if resume is False else backups.restored()
        if state is not None and state.metadata["settings"] == self.settings:
            self.identity = state.metadata["run"]
            self.codes, self.step = codes_by_position(state), state.metadata["step"]
            self.is_restored = True
        own = self._own_files(resume)
        self._files.start(own, removes=self._is_chief())
        if own:
            # In memory, since it may be replaced while training goes on.
            best = file.read(_best(own).path, mapped=False)
            self.best, self.best_value = (best, best.metadata), best.metadata.get("value")
            self.identity = self.identity or best.metadata.get("run")
            print_message(f"Going on with {best.path}: {rating_text(best.metadata)}")
        elif self.codes:
            print_message("Going on with an interrupted run, of which no epoch was kept")
        self.identity = self.identity or self._new_identity()

    def _new_identity(self) -> str:
        return of_first_process(self._quantizer.model, uuid.uuid4().bytes).hex()

    def _own_files(self, resume: bool | None) -> list[QuantizedFile]:
        # The files that the run goes on with.
        if not self.is_restored and not resume:
            self._files.check()
            return []
        found = self._files.read_all()
        own = [each for each in found if self.is_restored and _run(each) == self.identity]
        return self._told(found) if found and resume and not own else own

    def _told(self, found: list[QuantizedFile]) -> list[QuantizedFile]:
        # Those of the run that has the best file of those with equal settings.
        differing = {opened.path: self._differing(opened) for opened in found}
        alike = [opened for opened in found if not differing[opened.path]]
        if not alike:
            path, names = next(iter(differing.items()))
            raise ValueError(
                "`resume=True` needs a file that was made with the same settings and model. "
                f"Received: '{path}', which differs in: {names}"
            )
        best = _best(alike)
        return [each for each in alike if each is best or (_run(best) and _run(each) == _run(best))]

    def _differing(self, opened: QuantizedFile) -> str:
        # What of a file's settings or of its model's weights differs, in words.
        metadata = opened.metadata
        if not _is_of_model(ModelContents.of_file(opened), self._quantizer):
            return "the model"
        found = {key: metadata.get(key) for key in self.settings}
        # A weight's line in a file also has the error of its codes.
        found["weights"] = {
            position: {key: value for key, value in line.items() if key != "error"}
            for position, line in found["weights"].items()
        }
        names = [key for key, value in self.settings.items() if found[key] != value]
        if self._mode not in ("auto", metadata.get("mode", self._mode)):
            names.append("mode")
        if not names and not is_value(metadata.get("value")):
            names.append("value")
        return ", ".join(names)

    def keep(self, epoch: int, logs: dict, rating: dict) -> None:
        """Keeps the model as it now is as the best epoch, and writes it where there is a path.

        rating: metadata: "monitor", "mode", "value", "step"; a value of None is not rated.
        """
        if rating["value"] is not None:
            self.best_value = rating["value"]
        tensors, metadata = self._quantizer.contents()
        self.best = tensors, metadata | {"run": self.identity, "epoch": epoch} | rating
        if self._files.template is None:
            return
        if self._is_chief():
            self._write(epoch, logs, rating)
        wait_for_processes(self._quantizer.model, "bcq_tf has written a file")

    def _write(self, epoch: int, logs: dict, rating: dict) -> None:
        path, previous = self._files.save(*self.best, epoch, logs)
        if previous is not None:
            print_message(
                f"\n{path} was of another run, which `resume=True` goes on with: it is kept as "
                f"{previous}"
            )
        if self._verbose:
            print_message(f"\n{rating_text(rating)}: saved {path}")

    def restore_best(self) -> None:
        """Gives the model the best epoch's weights and state, if one was kept."""
        if self.best is not None:
            contents = ModelContents.of(*self.best)
            contents.put_weights(self._quantizer.model)
            # Assets do not change while a model trains.
            contents.restore_state(self._quantizer.model, assets=False)

    def write_lost(self) -> None:
        """Writes the best file again where it is gone, its folder removed, say."""
        if self.best is not None and self._is_chief():
            path = self._files.save_if_lost(*self.best)
            if path is not None:
                print_message(f"\n{path} was gone: it has been written again")

    def _is_chief(self) -> bool:
        return is_first_process(self._quantizer.model)


def _best(opened: list[QuantizedFile]) -> QuantizedFile:
    return max(opened, key=lambda one: rank(one.metadata))


def _run(opened: QuantizedFile) -> str | None:
    return opened.metadata.get("run")


def _is_of_model(contents: ModelContents, quantizer: ModelQuantizer) -> bool:
    # Whether a file's weights have the shapes of the model's, and its packed codes.
    try:
        weights = match_model(quantizer.model, contents.weights)
    except ValueError:
        return False
    skipped = [w for w in quantizer.plan.skipped if w.reason == PACKED and not w.variable.trainable]
    return all(np.array_equal(as_array(w.variable), weights[w.position].value()) for w in skipped)
