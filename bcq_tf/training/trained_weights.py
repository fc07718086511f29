"""What becomes of the quantized weights while a model trains: solved, projected, shown."""

from __future__ import annotations

import warnings

from bcq_tf.codes import BinaryCodes
from bcq_tf.selection.selection import Chosen, Plan
from bcq_tf.solvers import NotFiniteError
from bcq_tf.training.latent import train_latent
from bcq_tf.training.quantizer import ModelQuantizer
from bcq_tf.training.shown_weights import ShownWeights


class TrainedWeights:
    """The weights of one `fit`.

    A weight that holds NaN or Inf stops nothing here: all are left as they are until the next step,
    and `not_finite` tells.

    Args:
        quantizer: of the model that trains.
        shown: puts quantized weights into that model.
        latent: whether it trains straight through.
        effort: of a solve, but for those that start from the last scales.

    Attributes:
        not_finite: the error of the last solve, if since then no step was taken; else None.
    """

    def __init__(self, quantizer: ModelQuantizer, shown: ShownWeights, latent: bool, effort: str):
        self._quantizer, self._shown = quantizer, shown
        self._latent, self._effort = latent, effort
        self._training = None
        self._steps, self._solved = 0, None
        self._told = set()
        self.not_finite: NotFiniteError | None = None

    def follow(self, plan: Plan, codes: dict[int, BinaryCodes] | None = None) -> None:
        """Trains by `plan` from now on.

        codes: {position: BinaryCodes} that an interrupted run had, if any.
        """
        self._quantizer.follow(plan)
        self.stop()
        if codes:
            self._quantizer.take(codes)
        if self._latent and plan.chosen and (codes or self._solve_once(self._effort)):
            self._start()

    def stop(self) -> None:
        """Gives the model its own train step back."""
        if self._training:
            self._training.remove()
            self._training = None

    def begin_step(self) -> None:
        """To be called before every execution of the train function."""
        self._shown.put_back()
        self._shown.quantized = False
        self.not_finite = None
        if self._training:
            self._training.expect_step()

    def end_step(self) -> None:
        """To be called after it."""
        self._steps += 1

    def project(self, warm: bool = False) -> bool:
        """Solves the weights, and goes on from what they are then; whether they are finite.

        warm: whether from the last scales, where there are some, which is cheap.
        """
        warm = warm and self._quantizer.can_solve_warm
        if not self._solve_once("warm" if warm else self._effort):
            return False
        if not self._latent:
            self._quantizer.put_codes()
            self._shown.quantized = True
        elif self._training:
            self._training.set_codes(self._quantizer.codes)
            self._project_written(self._training.written_weights())
        elif self._quantizer.plan.chosen:  # they were not finite when the plan was new
            self._start()
        return True

    def show(self) -> None:
        """Shows what a validation sees, until the next step."""
        if self._shown.quantized or self.not_finite:
            return
        if self.project() and self._latent:
            self._shown.show()

    def solve(self, effort: str | None = None) -> bool:
        """Solves the weights that the model has now; whether they are finite."""
        try:
            self._quantizer.solve(effort or self._effort)
        except NotFiniteError as error:
            self.not_finite = error
            return False
        return True

    def _solve_once(self, effort: str) -> bool:
        # Once a step; projected weights are those of the codes, and solved again have no error.
        solved = self._steps, effort if self._latent else None
        if solved != self._solved:
            self._solved = solved if self.solve(effort) else None
        return self._solved is not None

    def _start(self) -> None:
        plan = self._quantizer.plan
        self._training = train_latent(self._quantizer.model, plan.chosen, self._quantizer.codes)

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
