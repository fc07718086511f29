"""`BCQCallback`: binary-code quantization while `model.fit` trains."""

from __future__ import annotations

import contextlib

import keras

from bcq_tf.config import (
    UNSET,
    BCQConfig,
    check_budget,
    check_choice,
    check_flag,
    check_integer,
    make_config,
)
from bcq_tf.reports.report import Report
from bcq_tf.selection.selection import select
from bcq_tf.training.checkpoints import BestFiles
from bcq_tf.training.fit import Fit
from bcq_tf.training.latent import check_latent
from bcq_tf.training.rating import check_monitor, entry_name
from bcq_tf.training.run import check_resume
from bcq_tf.training.schedule import check_phases, make_phases
from bcq_tf.training.teaching import Teacher


class BCQCallback(keras.callbacks.Callback):
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
        bits, group_size, offset, solver, scale_dtype: see `BCQConfig`; by default 3 bits.
        config: a `BCQConfig` in place of these.
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
        budget: bits of a weight, scales included, in place of `bits`: each weight, and each row of
            a table, gets as many as lower the loss most when `fit` begins, see `bcq_tf.allocate`.
        calibration: with a budget, samples of data, see `bcq_tf.quantize_model`. A generator serves
            one `fit`.
        teacher: a model of the same outputs, or the path of one: the loss that is trained is
            1 - `alpha` times the compiled one, and `alpha` times how far the outputs are from the
            teacher's (Hinton, Vinyals and Dean 2015): the divergence of distributions where the
            name of the compiled loss ends in "categorical_crossentropy" or "binary_crossentropy",
            the relative squared difference otherwise. `val_loss` stays the compiled one.
        temperature: by which logits are divided where they are compared, with crossentropies.
        alpha: see `teacher`.
        log_weights: whether the logs, which TensorBoard and History see too, have the error of each
            weight: `bcq_error/PATH`.

    Raises:
        ValueError, TypeError: an argument breaks its rule, a rule matches nothing, the teacher's
            outputs have other shapes than the model's, the logs lack `monitor`, a weight holds NaN
            or Inf when an epoch ends and no callback ends training there, or with `resume=True` the
            file is of other settings or another model.
        FileFormatError: the file at `filepath` is damaged.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> model.compile("adam", "mse")
        >>> x, y = np.ones((256, 64)), np.ones((256, 32))
        >>> callback = bcq_tf.BCQCallback("model.bcq.npy", bits=2, latent=True, every_n_steps=4)
        >>> settings = {"epochs": 2, "validation_split": 0.5, "verbose": 0}
        >>> history = model.fit(x, y, callbacks=[callback], **settings)
        >>> callback.report.chosen[0].codes
        BinaryCodes([32, 64], bits=2, group_size=None, 640 bytes, 2.50 bits per weight)
    """

    def __init__(
        self,
        filepath=None,
        bits: int = UNSET,
        *,
        config: BCQConfig | None = None,
        rules=None,
        schedule=None,
        every_n_steps: int = 1000,
        latent: bool = False,
        monitor="val_loss",
        mode: str = "auto",
        keep: int = 1,
        group_size: int | None = UNSET,
        offset: bool = UNSET,
        solver: str = UNSET,
        scale_dtype: str = UNSET,
        effort: str = "low",
        verbose: int = 0,
        resume: bool | None = None,
        budget: float | None = None,
        calibration=None,
        teacher=None,
        temperature: float = 1.0,
        alpha: float = 0.5,
        log_weights: bool = False,
    ):
        super().__init__()
        self.config = make_config(config, bits, group_size, offset, solver, scale_dtype)
        check_budget(budget, bits, calibration)
        check_monitor(monitor, mode)
        check_choice("effort", effort, ("low", "full"))
        check_resume(resume)
        check_latent(latent)
        BestFiles(filepath, keep)  # raises where there are no such files
        self.filepath, self.keep = filepath, keep
        self.rules = rules
        self.phases = make_phases(schedule)
        self.every_n_steps = check_integer("every_n_steps", every_n_steps, 1)
        self.latent = latent
        self.monitor, self.mode = entry_name(monitor), mode
        self.rated_by = monitor
        self.effort = effort
        self.verbose = verbose
        self.resume = resume
        self.budget, self.calibration = budget, calibration
        self.teacher = None if teacher is None else Teacher(teacher, temperature, alpha)
        self.log_weights = check_flag("log_weights", log_weights)
        self._fit = None  # the last one that has begun

    @property
    def best(self) -> float | None:
        """What the best epoch so far is rated, None before one."""
        return self._fit and self._fit.run.best_value

    @property
    def report(self) -> Report | None:
        """The `Report` of the best epoch so far, None before one."""
        best = self._fit and self._fit.run.best
        return best and Report.of(*best)

    def check(self, model) -> None:
        """Raises ValueError, as `fit` would, where the rules or the schedule do not fit `model`."""
        check_phases(self.phases, select(model, self.config, self.rules))

    @contextlib.contextmanager
    def quantized(self):
        """In this context the model holds the weights that a validation now would see.

        For code that scores the model at other moments than an epoch's end, where it does already.
        Training then goes on as if nothing had been.

        Raises:
            RuntimeError: no `fit` with this callback has begun.
            ValueError: a weight holds NaN or Inf.
        """
        if self._fit is None:
            raise RuntimeError("`quantized()` must be called when a `fit` with it has begun")
        training = self._fit.is_training
        with self._fit.weights.looking() if training else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def training_weights(self):
        """In this context the model holds the weights that training goes on from.

        For callbacks that save in `on_epoch_end` what an interrupted run starts again from. In
        latent mode these are the float weights. BackupAndRestore gets them without this.
        """
        with self._fit.weights.hidden() if self._fit else contextlib.nullcontext():
            yield

    def on_train_begin(self, logs=None):
        self._fit = Fit(self)

    def on_epoch_begin(self, epoch, logs=None):
        self._fit.begin_epoch(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._fit.begin_steps(batch)

    def on_train_batch_end(self, batch, logs=None):
        self._fit.end_steps(batch)

    def on_test_begin(self, logs=None):
        if self._fit:
            self._fit.begin_validation()

    def on_epoch_end(self, epoch, logs=None):
        self._fit.end_epoch(epoch, {} if logs is None else logs)

    def on_train_end(self, logs=None):
        self._fit.end()
