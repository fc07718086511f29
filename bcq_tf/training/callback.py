"""`BCQCallback`: binary-code quantization while `model.fit` trains."""

from __future__ import annotations

import contextlib
import warnings

import keras
import numpy as np

from bcq_tf._keras import MonitorCallback, sync_variables
from bcq_tf.config import AUTO, BCQConfig, check_choice, check_integer
from bcq_tf.models.loading import put_tensors
from bcq_tf.reports.report import Report
from bcq_tf.selection.selection import select
from bcq_tf.training.backups import Backups
from bcq_tf.training.best_epoch import BestEpoch
from bcq_tf.training.checkpoints import BestFiles
from bcq_tf.training.fit_order import FitOrder
from bcq_tf.training.latent import BACKENDS
from bcq_tf.training.neighbours import ENDING, check_neighbours
from bcq_tf.training.optimizers import StepCounter, steps_of
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.rating import Score, check_monitor
from bcq_tf.training.resuming import Settings, begin_run, check_resume
from bcq_tf.training.schedule import check_phases, make_phases, phase_at
from bcq_tf.training.shown_weights import ShownWeights
from bcq_tf.training.trained_weights import TrainedWeights
from bcq_tf.training.validation import Validation


class BCQCallback(MonitorCallback):
    """Turns a model's weights into binary codes while it trains.

    Every `every_n_steps` optimizer steps, and before each validation, the weights are solved and
    replaced by the values of their codes, and training goes on from there: periodic projection
    (Chung and Kim 2020). So `val_*` in the logs are the quantized model's, which EarlyStopping,
    ReduceLROnPlateau and History see too.

    With `latent=True` the forward and backward passes of every step see quantized weights while the
    optimizer moves float ones (straight-through training); scales are solved anew every
    `every_n_steps`. It costs a few per cent of a step and loses the least accuracy.

    From a validation until all callbacks' `on_epoch_end` are over the model holds quantized
    weights, so what they compute or save is the quantized model's. BackupAndRestore alone gets what
    training goes on from. At other moments use `quantized()`.

    The best epoch by `monitor` is written to `filepath` and, when training ends, restored: the
    model then holds quantized weights. Put this callback last in the list, after EarlyStopping.

    Log entries, which all callbacks see: `bcq_error`, the relative squared error of the last solve;
    `bcq_bits`, bits per quantized weight, scales included; and that of a `monitor` that is a
    function.

    Args:
        filepath: a path that ends in ".bcq.npy" and may hold fields such as "{epoch:03d}" or
            "{val_loss:.3f}"; None writes no file. A file of another run that is in the way is kept
            beside it as ".previous.bcq.npy", in place of an earlier one of that name.
        bits, group_size, offset, solver, scale_dtype: see `BCQConfig`.
        rules: which weights are treated otherwise, see `bcq_tf.select`.
        schedule: more bits, or floats, at first, see `bcq_tf.training.schedule.make_phases`. With
            `bits=2`, {500: None, 1000: 4, 2000: 3} leaves weights float until optimizer step 500
            and gives them 4 bits until 1000 and 3 until 2000; {500: {"encoder*": None}} leaves the
            encoder float until then. Epochs are rated once it has ended.
        every_n_steps: the interval in optimizer steps (gradient accumulation divides them), those
            of the model's optimizer that steps most; batches, where no attribute is one that steps.
        latent: whether to train straight through, on the TensorFlow or the JAX backend.
        monitor, mode: the log entry that rates an epoch, and "min", "max" or "auto". An entry that
            another callback makes in `on_epoch_end` counts too. Or a function of the quantized
            model, called once an epoch, that returns a number: with "min" or "max".
        keep: how many of the best files are kept; more than 1 needs a field in `filepath`.
        effort: of the solve before a validation, "low" or "full", see `bcq_tf.quantize`. The solves
            between validations start from the last scales and are cheap.
        verbose: 1 prints a line for each file written. A run that goes on, and a file that is kept
            as the previous one, are always told.
        resume: whether training goes on with the best value in the file at `filepath`. None: only
            where a BackupAndRestore in the same `fit` has restored the run that the file is of.
            True: whatever run it is of. False: never.

    Raises:
        ValueError, TypeError: an argument breaks its rule, a rule matches nothing, the logs lack
            `monitor`, a weight holds NaN or Inf when an epoch ends and no callback ends training
            there, or with `resume=True` the file is of other settings or another model.
        FileFormatError: the file at `filepath` is damaged.
    """

    def __init__(
        self,
        filepath=None,
        bits: int = 3,
        *,
        rules=None,
        schedule=None,
        every_n_steps: int = 1000,
        latent: bool = False,
        monitor="val_loss",
        mode: str = "auto",
        keep: int = 1,
        group_size: int | None = None,
        offset: bool = False,
        solver: str = "alternating",
        scale_dtype: str = AUTO,
        effort: str = "low",
        verbose: int = 0,
        resume: bool | None = None,
    ):
        check_monitor(monitor, mode)
        check_choice("mode", mode, ("auto", "min", "max"))
        check_choice("effort", effort, ("low", "full"))
        check_integer("every_n_steps", every_n_steps, 1)
        check_resume(resume)
        _check_latent(latent)
        self._score = None if isinstance(monitor, str) else Score(monitor)
        super().__init__(monitor=self._score.name if self._score else monitor, mode=mode)
        self.config = BCQConfig(bits, group_size, offset, solver, scale_dtype)
        self.rules = rules
        self.every_n_steps = every_n_steps
        self.latent = latent
        self.effort = effort
        self.verbose = verbose
        self._phases = make_phases(schedule)
        self.resume = resume
        self._files = BestFiles(filepath, keep)
        self._kept = None
        self._quantizer = None
        self._training = False

    @property
    def report(self) -> Report | None:
        """The `Report` of the best epoch so far, None before one."""
        content = self._kept and self._kept.content
        return None if content is None else Report.of(*content)

    def check(self, model) -> None:
        """Raises ValueError, as `fit` would, where the rules or the schedule do not fit `model`."""
        check_phases(self._phases, select(model, self.config, self.rules))

    @contextlib.contextmanager
    def quantized(self):
        """In this context the model holds the weights that a validation now would see.

        For code that scores the model at other moments than an epoch's end, where it does already.
        Training then goes on as if nothing had been.

        Raises:
            RuntimeError: no `fit` with this callback has begun.
            ValueError: a weight holds NaN or Inf.
        """
        if self._quantizer is None:
            raise RuntimeError("`quantized()` must be called when a `fit` with it has begun")
        with self._weights.looking(self.effort) if self._training else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def training_weights(self):
        """In this context the model holds the weights that training goes on from.

        For callbacks that save in `on_epoch_end` what an interrupted run starts again from. In
        latent mode these are the float weights. BackupAndRestore gets them without this.
        """
        with self._weights.hidden():
            yield

    def on_train_begin(self, logs=None):
        check_neighbours(self)
        self._quantizer = ModelQuantizer(self.model, self.config, self.rules)
        self._plan = self._quantizer.plan
        check_phases(self._phases, self._plan)
        self._order = FitOrder(
            self, on_epoch_end=self._around_epoch_end, on_train_end=self._around_train_end
        )
        backups = keras.callbacks.BackupAndRestore
        for later in self._order.after(self, backups):
            later.on_train_begin()  # what it restores is what training begins from
        self._backups = Backups(
            self.model,
            self._order.others(backups),
            lambda: steps_of(self.model.optimizer),
            self._backup_state,
        )
        self._weights = ShownWeights(self._quantizer)
        self._trained = TrainedWeights(self._quantizer, self._weights, self.latent)
        self._validation = Validation(self.model, self._weights.put_back)
        self._monitor_seen = False
        self._last_epoch, self._last_logs = None, {}
        self._begin_run()
        self._training = True

    def on_epoch_begin(self, epoch, logs=None):
        self._weights.put_back()
        if self.latent:
            self._validation.watch()
        self._next_epoch, self._opened, self._rated = epoch, False, False

    def on_train_batch_begin(self, batch, logs=None):
        self._trained.begin_step()
        self._steps.begin(batch)

    def on_train_batch_end(self, batch, logs=None):
        sync_variables(self.model)
        self._trained.end_step()
        step = self._steps.end(batch, (self.params or {}).get("steps"))
        crossed = step // self.every_n_steps > self._last_step // self.every_n_steps
        self._last_step = step
        if phase_at(self._phases, step) != self._phase:
            self._start_phase()
        if crossed:
            self._trained.project("warm" if self._quantizer.can_solve_warm else self.effort)

    def on_test_begin(self, logs=None):
        if self._training:
            self._trained.show(self.effort)

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        self._open_epoch_end(logs)
        self._last_epoch, self._last_logs = epoch, logs
        if not self._order.is_known or (self.monitor in logs and not self._trained.not_finite):
            self._rate()

    def on_train_end(self, logs=None):
        self._training = False
        self._trained.stop()
        self._validation.release()
        averaged = _uses_ema(self.model.optimizer) and self._last_epoch is not None
        if self._kept.content is not None and not averaged:
            self._restore_best()
        elif self._last_epoch is not None:
            self._weights.put_back()
            self._keep_last()
        self._weights.forget()
        self._kept.write_lost()
        self._backups.release()
        self._order.release()

    @contextlib.contextmanager
    def _around_epoch_end(self, epoch, logs=None):
        try:
            self._open_epoch_end({} if logs is None else logs)
            with self._backups.held():
                yield
            if not self._rated:
                self._rate()
            # The epoch has been rated: a kill from here on repeats it, or goes on after it.
            self._next_epoch = epoch + 1
            with self.training_weights():
                self._backups.save_held()
        except BaseException:  # KeyboardInterrupt too
            self._weights.put_back()
            raise

    @contextlib.contextmanager
    def _around_train_end(self, logs=None):
        with self._backups.removed_last():
            yield

    def _open_epoch_end(self, logs: dict) -> None:
        if self._opened:
            return
        self._trained.show(self.effort)
        logs["bcq_error"] = float("nan") if self._trained.not_finite else self._quantizer.error
        logs["bcq_bits"] = self._quantizer.bits_per_weight
        if self._score:
            self._score.add_to(logs, self.model)
        self._opened = True

    def _start_phase(self, codes=None) -> None:
        # codes: {position: BinaryCodes} that an interrupted run had, if any.
        self._phase = phase_at(self._phases, self._last_step)
        plan = self._phase.apply(self._plan) if self._phase else self._plan
        self._trained.follow(plan, self.effort, codes)

    def _rate(self) -> None:
        self._rated = True
        if self._trained.not_finite:
            self._check_that_it_ends()
        elif self._has_monitor(self._last_logs) and self._phase is None:
            self._keep_if_best(self._last_epoch, self._last_logs)

    def _check_that_it_ends(self) -> None:
        # A weight holds NaN or Inf. Keras would go on, and so does this where training ends here,
        # a callback is there to end it, or one has put good weights in place.
        error = self._trained.not_finite
        if self.model.stop_training or self._trained.solve(self.effort):
            return
        if self._order.others(ENDING):
            warnings.warn(f"{error}: epoch {self._last_epoch + 1} is not rated", stacklevel=2)
            return
        self._trained.stop()
        self._validation.release()
        self._restore_best()
        raise error

    def _restore_best(self) -> None:
        if self._kept.content is not None:
            put_tensors(self.model, *self._kept.content)

    def _has_monitor(self, logs) -> bool:
        if self.monitor in logs:
            self._monitor_seen = True
            return True
        validated = any(name.startswith("val_") for name in logs)
        if self._monitor_seen or (self.monitor.startswith("val_") and not validated):
            return False  # not in every epoch, as with `validation_freq`
        raise ValueError(
            f"`monitor` must be one of the logs {sorted(logs)}. Received: monitor={self.monitor!r}"
        )

    def _keep_if_best(self, epoch: int, logs) -> None:
        value = float(logs[self.monitor])
        if self.improves(value) and np.isfinite(value):
            self.best = value
            self._keep(epoch, logs, value)

    def _keep(self, epoch: int, logs, value: float | None) -> None:
        mode = {keras.ops.less: "min", keras.ops.greater: "max"}.get(self.monitor_op)
        rating = {"monitor": self.monitor, "mode": mode, "value": value, "step": self._last_step}
        self._kept.keep(epoch, logs, rating)

    def _keep_last(self) -> None:
        # Averaged weights, which Keras puts in place when training ends, or no rated epoch.
        self._quantizer.follow(self._plan)
        if not self._trained.solve(self.effort):
            kept = "no epoch was" if self._kept.content is None else "the best epoch is"
            warnings.warn(f"{self._trained.not_finite}: {kept} kept", stacklevel=2)
            self._restore_best()
            return
        reason = self._reason_for_last()
        if reason:
            warnings.warn(f"{reason}, so the last epoch was kept", stacklevel=2)
        self._quantizer.put_codes()
        self._keep(self._last_epoch, self._last_logs, None)

    def _reason_for_last(self) -> str | None:
        if self._phase:
            until = self._phases[-1].until
            return f"`schedule` goes on until step {until} and training ended at {self._last_step}"
        if _uses_ema(self.model.optimizer):
            return None
        found = "NaN or Inf" if self._monitor_seen else "in no epoch's logs (no validation?)"
        return f"`monitor` {self.monitor!r} was {found}"

    def _begin_run(self) -> None:
        settings = Settings(self._quantizer, self.monitor, self.mode)
        run = begin_run(self._files, self._backups, settings, self.resume)
        self._settings = settings.values
        self._kept = BestEpoch(self._quantizer, run, self.verbose)
        self.best = None if run.best is None else run.best.metadata["value"]
        self._steps = StepCounter(self.model)
        self._last_step = self._steps.count = max(self._steps.count, run.step)
        self._start_phase(run.codes)
        if self._trained.not_finite:
            raise self._trained.not_finite
        if not run.is_restored:
            self._next_epoch = 0
            self._backups.begin(self._backup_state()[1])

    def _backup_state(self) -> tuple[dict, dict]:
        return self._quantizer.code_tensors(), {
            "run": self._kept.run.identity,
            "settings": self._settings,
            "epoch": self._next_epoch,
            "step": self._last_step,
        }


def _uses_ema(optimizer) -> bool:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(getattr(optimizer, "use_ema", False))


def _check_latent(latent) -> None:
    if not isinstance(latent, bool):
        raise TypeError(f"`latent` must be True or False. Received: latent={latent!r}")
    if latent and keras.backend.backend() not in BACKENDS:
        raise ValueError(
            "`latent=True` needs the TensorFlow or the JAX backend of Keras. "
            f"Received: latent=True on {keras.backend.backend()!r}"
        )
