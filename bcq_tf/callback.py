"""`BCQCallback`: binary-code quantization while `model.fit` trains."""

from __future__ import annotations

import warnings

import keras
import numpy as np

from bcq_tf import file
from bcq_tf._keras import MonitorCallback, print_message, sync_variables
from bcq_tf.checkpoints import BestFiles
from bcq_tf.config import AUTO, BCQConfig, check_choice, check_integer
from bcq_tf.conversion import put_tensors
from bcq_tf.latent import BACKENDS, train_latent
from bcq_tf.model_table import read_table
from bcq_tf.neighbours import check_neighbours
from bcq_tf.quantizer import ModelQuantizer
from bcq_tf.report import Report
from bcq_tf.schedule import check_phases, make_phases, phase_at
from bcq_tf.selection import select


class BCQCallback(MonitorCallback):
    """Turns a model's weights into binary codes while it trains.

    Every `every_n_steps` optimizer steps, and before each validation, the weights are solved and
    replaced by the values of their codes, and training goes on from there: periodic projection
    (Chung and Kim 2020). So `val_*` in the logs are the quantized model's, which EarlyStopping,
    ReduceLROnPlateau and History see too.

    With `latent=True` the forward and backward passes of every step see quantized weights while the
    optimizer moves float ones (straight-through training); scales are solved anew every
    `every_n_steps`. It costs a few per cent of a step and loses the least accuracy.

    The best epoch by `monitor` is written to `filepath` and, when training ends, restored: the
    model then holds quantized weights. Put this callback last in the list, after EarlyStopping.

    Log entries: `bcq_error`, the relative squared error of the last solve; `bcq_bits`, bits per
    quantized weight, scales included.

    Args:
        filepath: a path that ends in ".bcq.npy" and may hold fields such as "{epoch:03d}" or
            "{val_loss:.3f}"; None writes no file. Where it exists and was made with the same
            settings, and the same codes of packed embeddings, training goes on with its best value.
        bits, group_size, offset, solver, scale_dtype: see `BCQConfig`.
        rules: which weights are treated otherwise, see `bcq_tf.selection.select`.
        schedule: more bits, or floats, at first, see `bcq_tf.schedule.make_phases`. With `bits=2`,
            {500: None, 1000: 4, 2000: 3} leaves weights float until optimizer step 500 and gives
            them 4 bits until 1000 and 3 until 2000; {500: {"encoder*": None}} leaves the encoder
            float until then. Epochs are rated once it has ended.
        every_n_steps: the interval in optimizer steps (gradient accumulation divides them).
        latent: whether to train straight through, on the TensorFlow or the JAX backend.
        monitor, mode: the log entry that rates an epoch, and "min", "max" or "auto".
        keep: how many of the newest best files are kept; more than 1 needs a field in `filepath`.
        effort: of the solve before a validation, "low" or "full", see `bcq_tf.quantize`. The solves
            between validations start from the last scales and are cheap.
        verbose: 0 is silent, 1 prints a line for each file written or gone on with.

    Raises:
        ValueError, TypeError: an argument breaks its rule, a rule matches nothing, the logs lack
            `monitor`, or a weight turns NaN or Inf.
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
        monitor: str = "val_loss",
        mode: str = "auto",
        keep: int = 1,
        group_size: int | None = None,
        offset: bool = False,
        solver: str = "alternating",
        scale_dtype: str = AUTO,
        effort: str = "low",
        verbose: int = 0,
    ):
        check_choice("mode", mode, ("auto", "min", "max"))
        check_choice("effort", effort, ("low", "full"))
        check_integer("every_n_steps", every_n_steps, 1)
        _check_latent(latent)
        super().__init__(monitor=monitor, mode=mode)
        self.config = BCQConfig(bits, group_size, offset, solver, scale_dtype)
        self.rules = rules
        self.every_n_steps = every_n_steps
        self.latent = latent
        self.effort = effort
        self.verbose = verbose
        self._phases = make_phases(schedule)
        self._best = None
        self._files = BestFiles(filepath, keep)
        self._training = False

    @property
    def report(self) -> Report | None:
        """The `Report` of the best epoch so far, None before one."""
        return None if self._best is None else Report.of(*self._best)

    def check(self, model) -> None:
        """Raises ValueError, as `fit` would, where the rules or the schedule do not fit `model`."""
        check_phases(self._phases, select(model, self.config, self.rules))

    def on_train_begin(self, logs=None):
        check_neighbours(self)
        self._quantizer = ModelQuantizer(self.model, self.config, self.rules)
        self._plan = self._quantizer.plan
        check_phases(self._phases, self._plan)
        self._batches = 0
        self._last_step, self._solved = self._step(), None
        self._float_values = None
        self._latent_training = None
        self._monitor_seen = False
        self._last_epoch = None
        self._resume()
        self._start_phase()
        self._training = True

    def on_epoch_begin(self, epoch, logs=None):
        self._validated = False

    def on_train_batch_begin(self, batch, logs=None):
        if self._latent_training:
            self._latent_training.expect_step()

    def on_train_batch_end(self, batch, logs=None):
        sync_variables(self.model)
        self._batches += 1
        step = self._step()
        crossed = step // self.every_n_steps > self._last_step // self.every_n_steps
        self._last_step = step
        if phase_at(self._phases, step) != self._phase:
            self._start_phase()
        if crossed:
            self._project("warm" if self._quantizer.can_solve_warm else self.effort)

    def on_test_begin(self, logs=None):
        if not self._training:
            return
        if self.latent:
            self._float_values = self._quantizer.values()
        self._project(self.effort)
        if self.latent:
            self._quantizer.put_codes()
        self._validated = True

    def on_test_end(self, logs=None):
        if self._float_values is not None:
            self._quantizer.put_values(self._float_values)
            self._float_values = None

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        if not self._validated:
            self._project(self.effort)
        self._last_epoch = epoch
        logs["bcq_error"] = self._quantizer.error
        logs["bcq_bits"] = self._quantizer.bits_per_weight
        if self._has_monitor(logs) and self._phase is None:
            self._keep_if_best(epoch, logs)

    def on_train_end(self, logs=None):
        self._training = False
        self._stop_latent()
        averaged = _uses_ema(self.model.optimizer) and self._last_epoch is not None
        if self._best is not None and not averaged:
            put_tensors(self.model, *self._best)
        elif self._last_epoch is not None:
            self._keep_last(logs or {})

    def _step(self) -> int:
        optimizer = self.model.optimizer
        if optimizer is None:
            return self._batches
        # The variable itself has no int under MirroredStrategy.
        return int(keras.ops.convert_to_numpy(optimizer.iterations))

    def _start_phase(self) -> None:
        self._phase = phase_at(self._phases, self._last_step)
        self._quantizer.follow(self._phase.apply(self._plan) if self._phase else self._plan)
        self._stop_latent()
        if self.latent and self._quantizer.plan.chosen:
            self._solve(self.effort)
            self._latent_training = train_latent(
                self.model, self._quantizer.plan.chosen, self._quantizer.codes
            )

    def _stop_latent(self) -> None:
        if self._latent_training:
            self._latent_training.remove()
            self._latent_training = None

    def _project(self, effort: str) -> None:
        self._solve(effort)
        if self._latent_training:
            self._latent_training.set_codes(self._quantizer.codes)
        else:
            self._quantizer.put_codes()

    def _solve(self, effort: str) -> None:
        # Once a batch; projected weights are those of the codes, and solved again have no error.
        solved = self._batches, effort if self.latent else None
        if solved != self._solved:
            self._quantizer.solve(effort, self._float_values)
            self._solved = solved

    def _has_monitor(self, logs) -> bool:
        if self.monitor in logs:
            self._monitor_seen = True
            return True
        validated = any(name.startswith("val_") for name in logs)
        if self.monitor.startswith("val_") and not validated:
            return False  # `validation_freq` may bring it in a later epoch
        raise ValueError(
            f"`monitor` must be one of the logs {sorted(logs)}. Received: monitor={self.monitor!r}"
        )

    def _keep_if_best(self, epoch: int, logs) -> None:
        value = float(logs[self.monitor])
        if self.monitor_op is None:
            self._set_monitor_op()
        if not np.isfinite(value) or not self._is_improvement(value, self.best):
            return
        self.best = value
        self._keep(epoch, logs, value)

    def _keep(self, epoch: int, logs, value: float | None) -> None:
        tensors, metadata = self._quantizer.contents()
        metadata |= {
            "monitor": self.monitor,
            "value": value,
            "epoch": epoch,
            "step": self._last_step,
        }
        self._best = tensors, metadata
        if self._files.template is None or not _is_chief(self.model):
            return
        path = self._files.save(*self._best, epoch, logs)
        if self.verbose:
            rating = "last epoch" if value is None else f"{self.monitor} {value:.5g}"
            print_message(f"\n{rating}: saved {path}")

    def _keep_last(self, logs) -> None:
        # Averaged weights, which Keras puts in place when training ends, or no rated epoch.
        if self._phase:
            warnings.warn(
                f"`schedule` goes on until step {self._phases[-1].until} and training ended at "
                f"{self._last_step}, so the last epoch was kept, quantized as at the end of it",
                stacklevel=2,
            )
        elif not self._monitor_seen and not _uses_ema(self.model.optimizer):
            warnings.warn(
                f"`monitor` {self.monitor!r} was in no epoch's logs (no validation?), so the last "
                "epoch was kept instead of the best",
                stacklevel=2,
            )
        self._quantizer.follow(self._plan)
        self._quantizer.solve(self.effort)
        self._quantizer.put_codes()
        self._keep(self._last_epoch, logs, None)

    def _resume(self) -> None:
        self.best, self._best = None, None
        path = self._files.newest()
        if path is None:
            return
        opened = file.read(path)
        # Not a model's file: said now, not when it is lost.
        entries = read_table(opened, opened.metadata)
        if self._made_alike(opened.metadata) and self._quantizer.has_packed(entries):
            self.best, self._best = opened.metadata["value"], (opened, opened.metadata)
            if self.verbose:
                print_message(f"Going on from {path}: {self.monitor} {self.best}")

    def _made_alike(self, metadata: dict) -> bool:
        settings = self._quantizer.settings() | {"monitor": self.monitor}
        weights = {
            position: {key: value for key, value in line.items() if key != "error"}
            for position, line in metadata["weights"].items()
        }
        return settings == {key: metadata.get(key) for key in settings} | {"weights": weights}


def _uses_ema(optimizer) -> bool:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return bool(getattr(optimizer, "use_ema", False))


def _is_chief(model) -> bool:
    strategy = getattr(model, "distribute_strategy", None)
    return strategy is None or strategy.extended.should_checkpoint


def _check_latent(latent) -> None:
    if not isinstance(latent, bool):
        raise TypeError(f"`latent` must be True or False. Received: latent={latent!r}")
    if latent and keras.backend.backend() not in BACKENDS:
        raise ValueError(
            "`latent=True` needs the TensorFlow or the JAX backend of Keras. "
            f"Received: latent=True on {keras.backend.backend()!r}"
        )
