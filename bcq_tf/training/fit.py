"""What one `model.fit` with a `BCQCallback` does, from its beginning to its end."""

from __future__ import annotations

import contextlib
import warnings

from keras.callbacks import BackupAndRestore

from bcq_tf._keras import sync_variables
from bcq_tf.config import make_rules
from bcq_tf.models.allocation.allocation import spend
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.training.backups import Backups
from bcq_tf.training.checkpoints import BestFiles
from bcq_tf.training.optimizers import StepCounter, averages
from bcq_tf.training.other_callbacks import ENDING, OtherCallbacks
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.rating import Rating
from bcq_tf.training.run import Run, earlier_rules
from bcq_tf.training.schedule import check_phases, phase_at
from bcq_tf.training.teaching import Lesson
from bcq_tf.training.trained_weights import TrainedWeights

CALIBRATION_BATCH = 32


class Fit:
    """The state of one `fit`. It begins with this constructor; each other method is a hook of it.

    callback: the BCQCallback that it calls, whose attributes are the settings.
    """

    def __init__(self, callback):
        self._callback, self._model = callback, callback.model
        self._others = OtherCallbacks(callback)
        self._quantizer = ModelQuantizer(self._model, callback.config, callback.rules)
        check_phases(callback.phases, self._quantizer.plan)
        for later in self._others.later(BackupAndRestore):
            later.on_train_begin()  # what it restores is what training begins from
        backups = self._others.of(BackupAndRestore)
        self._backups = Backups(self._model, backups, self._backup_state)
        self._others.surround("on_epoch_end", self._around_epoch_end)
        self._others.surround("on_train_end", self._backups.removed_last)
        if callback.budget is not None:
            self._spend_budget()
        self._plan = self._quantizer.plan  # that of the end of training
        self._lesson = callback.teacher and Lesson(callback.teacher, self._model)
        methods = self._lesson.methods() if self._lesson else ()
        self.weights = TrainedWeights(self._quantizer, callback.latent, callback.effort, methods)
        self._rating = Rating(callback.rated_by, callback.mode, self._model)
        self._ended = None  # (epoch, logs) of the last epoch that has ended
        self._begin_run()
        self.is_training = True  # until it has ended

    def _spend_budget(self) -> None:
        ours = self._callback
        best = BestFiles(ours.filepath or self._backups.best_path, ours.keep)
        earlier = earlier_rules(self._quantizer, self._backups, best, ours.resume)
        if earlier is not None:
            rules = [*earlier, *make_rules(ours.rules, ours.config)]
        else:
            batches = batches_of(self._model, ours.calibration, CALIBRATION_BATCH)
            samples = Calibration(self._model, batches, squares=True)
            rules = spend(samples, ours.config, ours.rules, ours.budget)
        self._quantizer = ModelQuantizer(self._model, ours.config, rules)

    def _begin_run(self) -> None:
        ours = self._callback
        files = BestFiles(ours.filepath or self._backups.best_path, ours.keep)
        self.run = Run(self._quantizer, files, ours.monitor, ours.mode, ours.verbose)
        self.run.begin(self._backups, ours.resume)
        self._steps = StepCounter(self._model, self.run.step)
        self._next_epoch = 0
        self._start_phase(self.run.codes)
        if self.weights.not_finite:
            raise self.weights.not_finite
        if not self.run.is_restored:
            self._backups.begin(self._backup_state()[1])

    def _backup_state(self) -> tuple[dict, dict]:
        return self._quantizer.code_tensors(), {
            "run": self.run.identity,
            "settings": self.run.settings,
            "epoch": self._next_epoch,
            "step": self._steps.count,
        }

    def begin_epoch(self, epoch: int) -> None:
        """See `on_epoch_begin`."""
        self.weights.put_back()
        if self._callback.latent:
            self.weights.watch_validation()
        self._next_epoch, self._opened, self._rated = epoch, False, False
        self._validated = False

    def begin_steps(self, batch: int) -> None:
        """See `on_train_batch_begin`."""
        self.weights.begin_step()
        self._steps.begin(batch)

    def end_steps(self, batch: int) -> None:
        """See `on_train_batch_end`."""
        self.weights.end_step()
        if self._lesson:
            self._lesson.check()
        sync_variables(self._model)
        every, before = self._callback.every_n_steps, self._steps.count
        step = self._steps.end(batch, (self._callback.params or {}).get("steps"))
        if phase_at(self._callback.phases, step) != self._phase:
            self._start_phase()
        if step // every > before // every:
            self.weights.project(warm=True)

    def _start_phase(self, codes=None) -> None:
        # codes: {position: BinaryCodes} that an interrupted run had, if any.
        self._phase = phase_at(self._callback.phases, self._steps.count)
        self.weights.follow(self._phase.apply(self._plan) if self._phase else self._plan, codes)

    def begin_validation(self) -> None:
        """See `on_test_begin`."""
        self._validated = True
        if self.is_training:
            self.weights.show()

    def end_epoch(self, epoch: int, logs: dict) -> None:
        """See `on_epoch_end`; the epoch is rated here, or when all callbacks have been called."""
        self._open_epoch_end(logs)
        self._ended = epoch, logs
        monitored = self._rating.monitor in logs and not self.weights.not_finite
        if monitored or not self._others.are_known:
            self._rate()

    @contextlib.contextmanager
    def _around_epoch_end(self, epoch: int, logs: dict | None = None):
        logs = {} if logs is None else logs
        try:
            self._warn_of_floats(logs)
            self._open_epoch_end(logs)
            with self._backups.held():
                yield
            if not self._rated:
                self._rate()
            # The epoch has been rated: a kill from here on repeats it, or goes on after it.
            self._next_epoch = epoch + 1
            with self.weights.hidden():
                self._backups.save_held()
        except BaseException:  # KeyboardInterrupt too
            self.weights.put_back()
            raise

    def _open_epoch_end(self, logs: dict) -> None:
        if self._opened:
            return
        self.weights.show()
        logs["bcq_error"] = float("nan") if self.weights.not_finite else self._quantizer.error
        logs["bcq_bits"] = self._quantizer.bits_per_weight
        if self._callback.log_weights:
            logs.update(self._errors())
        self._rating.add_score(logs)
        self._opened = True

    def _warn_of_floats(self, logs: dict) -> None:
        # A loop of one's own may validate without telling.
        name = self._rating.monitor
        if name in logs and name.startswith("val_") and not self._validated:
            warnings.warn(
                f"{name!r} was computed before the callback's `on_test_begin`, from which on the "
                "model's weights are quantized: it may be of others",
                stacklevel=2,
            )

    def _errors(self) -> dict[str, float]:
        # Of the same weights in every epoch; 0 of those that a schedule leaves float.
        chosen, errors = self._plan.chosen, self._quantizer.errors
        if self.weights.not_finite:
            errors = {weight.position: float("nan") for weight in chosen}
        return {f"bcq_error/{weight.path}": errors.get(weight.position, 0.0) for weight in chosen}

    def _rate(self) -> None:
        self._rated = True
        if self.weights.not_finite:
            self._check_that_it_ends(self.weights.not_finite)
            return
        value = self._rating.value(self._ended[1])
        if value is None or self._phase:
            return
        if self._rating.is_better(value, self.run.best_value):
            self._keep(value)

    def _check_that_it_ends(self, error: ValueError) -> None:
        # A weight holds NaN or Inf. Keras would go on, and so does this where training ends here,
        # a callback is there to end it, or one has put good weights in place.
        if self._model.stop_training or self.weights.solve():
            return
        if self._others.of(ENDING):
            warnings.warn(f"{error}: epoch {self._ended[0] + 1} is not rated", stacklevel=2)
            return
        self.weights.release()
        self.run.restore_best()
        raise error

    def _keep(self, value: float | None) -> None:
        rating = {"monitor": self._rating.monitor, "mode": self._rating.mode, "value": value}
        self.run.keep(*self._ended, rating | {"step": self._steps.count})

    def end(self) -> None:
        """See `on_train_end`: the model gets the best epoch's weights, or the last one's."""
        self.is_training = False
        self.weights.release()
        if self._ended and (self.run.best is None or averages(self._model.optimizer)):
            self.weights.put_back()
            self._keep_last()
        else:
            self.run.restore_best()
        self.weights.keep_shown()
        self.run.write_lost()
        self._backups.release()
        self._others.release()

    def _keep_last(self) -> None:
        # Averaged weights, which Keras puts in place when training ends, or no rated epoch.
        self._quantizer.follow(self._plan)
        if not self.weights.solve():
            kept = "no epoch was" if self.run.best is None else "the best epoch is"
            warnings.warn(f"{self.weights.not_finite}: {kept} kept", stacklevel=2)
            self.run.restore_best()
            return
        reason = self._reason_for_last()
        if reason:
            warnings.warn(f"{reason}, so the last epoch was kept", stacklevel=2)
        self._quantizer.put_codes()
        self._keep(None)

    def _reason_for_last(self) -> str | None:
        if self._phase:
            until, step = self._callback.phases[-1].until, self._steps.count
            return f"`schedule` goes on until step {until} and training ended at {step}"
        if averages(self._model.optimizer):
            return None
        found = "NaN or Inf" if self._rating.mode else "in no epoch's logs (no validation?)"
        return f"`monitor` {self._rating.monitor!r} was {found}"
