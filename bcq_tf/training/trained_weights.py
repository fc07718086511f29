"""The quantized weights of a model in training: solved, projected, shown and put back."""

from __future__ import annotations

import contextlib
import copy
import warnings
import zlib

import numpy as np

from bcq_tf._keras import as_array, replaced_methods, sync_variables
from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen, Plan
from bcq_tf.solvers import NotFiniteError
from bcq_tf.training.latent import train_latent
from bcq_tf.training.latent.training import LatentTraining
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.takeover import Takeover


class TrainedWeights:
    """The weights of one `fit`.

    A weight that holds NaN or Inf stops nothing here: all are left as they are until the next step,
    and `not_finite` tells.

    effort: of a solve, but for those that start from the last scales.
    methods: that the model is to have in its steps, see `Takeover`.
    """

    def __init__(self, quantizer: ModelQuantizer, latent: bool, effort: str, methods=()):
        self._quantizer, self._model = quantizer, quantizer.model
        self._latent, self._effort, self._methods = latent, effort, list(methods)
        self._training: Takeover | None = None  # a LatentTraining, or for the methods alone
        self._quantized = False  # whether the model holds quantized weights
        self._aside = None  # those that training goes on from, where others are shown
        self._steps, self._solved = 0, None
        self._told = set()
        # The error of the last solve, if since then no step was taken.
        self.not_finite: NotFiniteError | None = None

    def follow(self, plan: Plan, codes: dict[int, BinaryCodes] | None = None) -> None:
        """Trains by `plan` from now on.

        codes: {position: BinaryCodes} that an interrupted run had, if any.
        """
        self._quantizer.follow(plan)
        self._stop()
        if codes:
            self._quantizer.take(codes)
        if self._latent and plan.chosen and (codes or self._solve_once(self._effort)):
            self._start()
        elif self._methods:
            self._training = Takeover(self._model, self._methods)

    def begin_step(self) -> None:
        """To be called before every execution of the train function."""
        self.put_back()
        self._quantized, self.not_finite = False, None
        self._steps += 1
        if self._training:
            self._training.expect_step()

    def end_step(self) -> None:
        """To be called after it. Raises RuntimeError where that was not what took the step."""
        if self._training:
            self._training.check_step()

    def solve(self, effort: str | None = None) -> bool:
        """Solves the weights that the model has now; whether they are finite."""
        try:
            self._quantizer.solve(effort or self._effort)
        except NotFiniteError as error:
            self.not_finite = error
            return False
        return True

    def project(self, warm: bool = False) -> bool:
        """Solves the weights, and goes on from what they are then; whether they are finite.

        warm: whether from the last scales, where there are some, which is cheap.
        """
        warm = warm and self._quantizer.can_solve_warm
        if not self._solve_once("warm" if warm else self._effort):
            return False
        if not self._latent:
            self._quantizer.put_codes()
            self._quantized = True
        elif isinstance(self._training, LatentTraining):
            self._training.set_codes(self._quantizer.codes)
            self._project_written(self._training.written_weights())
        elif self._quantizer.plan.chosen:  # they were not finite when the plan was new
            self._start()
        return True

    def show(self) -> None:
        """Shows what a validation sees, until the next step."""
        if self._quantized or self.not_finite:
            return
        if self.project() and self._latent:
            self._show(self._quantizer)

    def put_back(self) -> None:
        """Gives the model the weights that training goes on from, where others are shown.

        A weight that something else was assigned to meanwhile keeps that.
        """
        if self._aside is None:
            return
        for weight in self._quantizer.plan.chosen:
            value, checksum = self._aside[weight.position]
            if _checksum(weight) == checksum:
                weight.variable.assign(value)
        self.keep_shown()

    def keep_shown(self) -> None:
        """Lets training go on from the weights that the model has."""
        self._aside, self._quantized = None, False

    @contextlib.contextmanager
    def looking(self):
        """Shows weights quantized now; training goes on as if nothing had been."""
        if self._quantized:
            yield
            return
        sync_variables(self._model)
        quantizer = copy.copy(self._quantizer)
        quantizer.solve(self._effort)
        self._show(quantizer)
        try:
            yield
        finally:
            self.put_back()

    @contextlib.contextmanager
    def hidden(self):
        """The model holds the weights that training goes on from in this context."""
        if self._aside is None:
            yield
            return
        aside, seen = self._aside, self._quantizer.values()
        self.put_back()
        try:
            yield
        finally:
            self._quantizer.put_values(seen)
            self._aside, self._quantized = aside, True

    def watch_validation(self) -> None:
        """Puts weights back where the model's next `evaluate`, of which Keras then calls no
        callback, ends in an exception."""
        self._stop_watching()
        evaluate, watching = self._model.evaluate, contextlib.ExitStack()

        def watched(*args, **kwargs):
            watching.close()
            try:
                return evaluate(*args, **kwargs)
            except BaseException:  # KeyboardInterrupt too
                sync_variables(self._model)
                self.put_back()
                raise

        watched.stop = watching.close
        watching.enter_context(replaced_methods((self._model, "evaluate", watched)))

    def release(self) -> None:
        """Gives the model its own train step and `evaluate` back."""
        self._stop()
        self._stop_watching()

    def _show(self, quantizer: ModelQuantizer) -> None:
        values = quantizer.values()
        quantizer.put_codes()
        self._aside = {
            weight.position: (values[weight.position], _checksum(weight))
            for weight in quantizer.plan.chosen
        }
        self._quantized = True

    def _solve_once(self, effort: str) -> bool:
        # Once a step; projected weights are those of the codes, and solved again have no error.
        solved = self._steps, effort if self._latent else None
        if solved != self._solved:
            self._solved = solved if self.solve(effort) else None
        return self._solved is not None

    def _stop(self) -> None:
        if self._training:
            self._training.remove()
            self._training = None

    def _stop_watching(self) -> None:
        # Also where an earlier `fit` did not.
        getattr(vars(self._model).get("evaluate"), "stop", lambda: None)()

    def _start(self) -> None:
        self._stop()
        chosen, codes = self._quantizer.plan.chosen, self._quantizer.codes
        self._training = train_latent(self._model, chosen, codes, self._methods)

    def _project_written(self, written: list[Chosen]) -> None:
        self._quantizer.put_codes(written)
        new = [weight.path for weight in written if weight.path not in self._told]
        self._told.update(new)
        if new:
            warnings.warn(
                f"`latent=True` is not for the weights {new}, which a step also writes without an "
                "optimizer of the model: they are projected, as with `latent=False`",
                stacklevel=2,
            )


def _checksum(weight: Chosen) -> int:
    return zlib.crc32(np.ascontiguousarray(as_array(weight.variable)).view(np.uint8).data)
