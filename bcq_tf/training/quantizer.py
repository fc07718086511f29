"""A model's weights beside their codes: solve, put into the model, save, report."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Iterable

import numpy as np

from bcq_tf._keras import as_array, assign_rows, serialized_model, weight_places
from bcq_tf.codes import BinaryCodes
from bcq_tf.config import UNSET, BCQConfig, check_budget, check_tune, make_config
from bcq_tf.files import file
from bcq_tf.files.stored_weights import make_name
from bcq_tf.models.allocation.allocation import spend
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.models.calibration.sequential import visit_in_order
from bcq_tf.models.state import ModelState, assets_of, states_of
from bcq_tf.reports.progress import progress
from bcq_tf.reports.report import Report
from bcq_tf.selection.selection import Chosen, Plan, select
from bcq_tf.solvers import quantize
from bcq_tf.solvers.calibrated.form import corrected
from bcq_tf.solvers.error import error_and_energy, ratio
from bcq_tf.training.tuning import check_backend


class ModelQuantizer:
    """Keeps the binary codes of a model's weights.

    Args:
        model: a built Keras model.
        config: the `BCQConfig` of weights that no rule speaks of.
        rules: see `bcq_tf.selection.selection.select`.

    Attributes:
        plan: the `Plan`, which weights are chosen and which are skipped.
        codes: {position: BinaryCodes} of the last solve, empty before the first.
        errors: {position: relative squared error} of these codes.
        tuned: {position: value} that `tune` gives weights without codes.
    """

    def __init__(self, model, config: BCQConfig | None = None, rules=None):
        self.model = model
        self.config = make_config(config)
        self.plan = select(model, self.config, rules)
        if not self.plan.chosen:
            raise ValueError(
                "`model` must have a weight to quantize. Received: "
                + "; ".join(f"{w.path!r}: {w.reason}" for w in self.plan.skipped)
            )
        self.codes: dict[int, BinaryCodes] = {}
        self.errors: dict[int, float] = {}
        self.tuned: dict[int, np.ndarray] = {}
        self._energies: dict[int, float] = {}

    def follow(self, plan: Plan) -> None:
        """Takes another plan of the model. Codes stay where a weight's settings are the same."""
        before = {weight.position: weight.config for weight in self.plan.chosen}
        self.codes = {
            w.position: self.codes[w.position]
            for w in plan.chosen
            if w.position in self.codes and before[w.position] == w.config
        }
        self.plan = plan

    def take(self, codes: dict[int, BinaryCodes]) -> None:
        """Takes codes of an earlier solve to go on from, by position."""
        self.codes = {w.position: codes[w.position] for w in self.plan.chosen}

    @property
    def can_solve_warm(self) -> bool:
        """Whether every chosen weight has codes to start from."""
        return all(weight.position in self.codes for weight in self.plan.chosen)

    def values(self) -> dict[int, np.ndarray]:
        """The chosen weights' present values, by position."""
        return {w.position: np.array(as_array(w.variable)) for w in self.plan.chosen}

    def solve(
        self,
        effort: str = "full",
        show=None,
        calibration: Calibration | None = None,
        sequential: bool = False,
    ) -> None:
        """Solves every chosen weight, each from its last codes where it has some.

        Args:
            effort: "full", "low" or "warm", see `bcq_tf.quantize`.
            show: a function that is called with how many numbers are solved, after each weight.
            calibration: what the weights are multiplied by; None to make their own errors small.
            sequential: whether that is what it is once the weights before are quantized.

        Raises:
            NotFiniteError: a weight holds NaN or Inf; the message names it. No codes change then.
        """
        solved, numbers = {}, 0

        def solve(weight: Chosen, moments, cross=None) -> None:
            # One at a time, so that a model's size is not taken twice.
            nonlocal numbers
            value = as_array(weight.variable)
            start = self.codes.get(weight.position) if moments is None else None
            solved[weight.position] = _solve(weight, value, start, effort, moments, cross)
            numbers += value.size
            if show is not None:
                show(numbers)

        chosen = self.plan.chosen
        if sequential:
            self._solve_in_order(calibration, solve, solved)
        else:
            pairs = calibration.of(chosen) if calibration else ((w, None) for w in chosen)
            for weight, moments in pairs:
                solve(weight, moments)
        self.codes = {position: codes for position, (codes, _, _) in solved.items()}
        self.errors = {p: ratio(error, energy) for p, (_, error, energy) in solved.items()}
        self._energies = {position: energy for position, (_, _, energy) in solved.items()}

    def tune(self, batches: list[tuple], epochs: int, verbose: bool = False) -> None:
        """Trains the scales of the codes, see `bcq_tf.training.tuning.tuning.tune`."""
        from bcq_tf.training.tuning.tuning import tune  # needs TensorFlow

        chosen = self.plan.chosen
        sizes = [math.prod(weight.view.shape) for weight in chosen]
        error = np.average([self.errors[w.position] ** 0.5 for w in chosen], weights=sizes)
        self.codes, self.tuned = tune(
            self.model, self.plan, self.codes, float(error), batches, epochs, verbose
        )
        for weight in self.plan.chosen:
            matrix = weight.view.to_matrix(as_array(weight.variable))
            lost = error_and_energy(matrix, self.codes[weight.position])
            self.errors[weight.position] = ratio(*lost)

    def _solve_in_order(self, calibration: Calibration, solve, solved: dict) -> None:
        before = []

        def visit(weight: Chosen, moments, cross) -> None:
            before.append((weight, np.array(as_array(weight.variable))))
            solve(weight, moments, cross)
            _put(weight, solved[weight.position][0])

        try:
            visit_in_order(calibration, self.plan.chosen, visit)
        finally:
            for weight, value in before:
                weight.variable.assign(value)

    def put_codes(self, weights: Iterable[Chosen] | None = None) -> None:
        """Gives the variables of chosen `weights`, by default all, the value of their codes, and
        those that were tuned the value that this gave them."""
        for weight in self.plan.chosen if weights is None else weights:
            _put(weight, self.codes[weight.position])
        for weight in self.plan.skipped:
            if weight.position in self.tuned:
                weight.variable.assign(self.tuned[weight.position])

    def put_values(self, values: dict[int, np.ndarray]) -> None:
        """Gives the chosen variables `values`, as `values()` returned them."""
        for weight in self.plan.chosen:
            weight.variable.assign(values[weight.position])

    @property
    def size(self) -> int:
        """How many numbers the chosen weights have."""
        return sum(math.prod(weight.view.shape) for weight in self.plan.chosen)

    @property
    def error(self) -> float:
        """Relative squared error of all chosen weights together, at the last solve."""
        lost = sum(self.errors[position] * energy for position, energy in self._energies.items())
        return ratio(lost, sum(self._energies.values()))

    @property
    def bits_per_weight(self) -> float:
        """Bits that a chosen weight takes, scales included."""
        nbytes = sum(codes.nbytes for codes in self.codes.values())
        return 8 * nbytes / self.size if self.size else 0.0

    def contents(self) -> tuple[dict[str, BinaryCodes | np.ndarray], dict]:
        """What a file holds of the model as it now is.

        Returns:
            tensors: every weight by the name that it has in a file, codes or the float array, and
                the arrays of the model's state.
            metadata: see docs/file-format.md: the settings, the error of each weight, where
                the weights stand, the state, and the model's Keras config, None where it has none.
        """
        tensors = {
            make_name(w.position, w.path): self.codes[w.position]
            if isinstance(w, Chosen)
            else self.tuned.get(w.position, as_array(w.variable))
            for w in self.plan.weights
        }
        arrays, state = ModelState(states_of(self.model), self._assets).to_file()
        metadata = self.settings() | {
            "places": weight_places(self.model),
            "model": serialized_model(self.model),
        }
        for position, error in self.errors.items():
            metadata["weights"][str(position)]["error"] = float(f"{error:.4g}")
        return tensors | arrays, metadata | state

    @functools.cached_property
    def _assets(self) -> dict:
        # Once: they do not change while a model trains, and vocabularies may be large.
        return assets_of(self.model)

    def code_tensors(self) -> dict[str, BinaryCodes]:
        """The codes of the last solve by the names that they have in a file."""
        return {
            make_name(w.position, w.path): self.codes[w.position]
            for w in self.plan.chosen
            if w.position in self.codes
        }

    def settings(self) -> dict:
        """What was asked for: the "config", the "weights" by position, those "skipped" by reason.

        A weight has its view, and in "config" the fields that differ from the common one.
        """
        common = self.config.to_dict()
        weights = {}
        for weight in self.plan.chosen:
            own = {k: v for k, v in weight.config.to_dict().items() if v != common.get(k)}
            if "row_bits" in own:  # the codes have them
                own["row_bits"] = f"crc32 {zlib.crc32(own['row_bits'].encode()):08x}"
            line = {"view": weight.view.to_dict()} | ({"config": own} if own else {})
            weights[str(weight.position)] = line
        skipped: dict[str, list[int]] = {}
        for weight in self.plan.skipped:
            skipped.setdefault(weight.reason, []).append(weight.position)
        return {"config": common, "weights": weights, "skipped": skipped}


def quantize_model(
    model,
    bits: int = UNSET,
    rules=None,
    *,
    config: BCQConfig | None = None,
    group_size: int | None = UNSET,
    offset: bool = UNSET,
    solver: str = UNSET,
    scale_dtype: str = UNSET,
    effort: str = "full",
    calibration=None,
    batch_size: int = 32,
    budget: float | None = None,
    sequential: bool = False,
    tune: int = 0,
    filepath=None,
    verbose: bool = False,
) -> Report:
    """Quantizes a model in place, once, without training.

    Every weight that a layer multiplies by is replaced by the value of its binary codes. With
    `calibration`, samples of what the model is used for, the codes are those of small error in what
    each layer gives for them: at 2 and 3 bits the difference between a model that works and one
    that does not.

    Args:
        model: a built Keras model.
        bits, group_size, offset, solver, scale_dtype: see `BCQConfig`; by default 3 bits.
        config: a `BCQConfig` in place of these.
        rules: which weights are treated otherwise, see `bcq_tf.select`.
        effort: "full" or "low", see `bcq_tf.quantize`.
        calibration: inputs of the model: arrays, a `tf.data.Dataset`, a `PyDataset`, a generator or
            what else `fit` takes; targets are not looked at, but the loss that the model is
            compiled with tells which inputs matter, and what errors in tables cost. A KerasHub task
            with a preprocessor takes texts. A few thousand tokens, or a few hundred images, do.
        batch_size: how many samples of arrays the model is given at once.
        budget: bits of a weight, scales included, in place of `bits`: each weight, and each row of
            a table, gets as many as lower the model's loss most; needs `calibration` and a compiled
            loss, see `bcq_tf.allocate`.
        sequential: whether a weight is solved for the inputs that it has once those before it are
            quantized, so that it makes up for some of what they lose: better at few bits in deep
            models. All batches run at once then, and the floats are kept until the end.
        tune: how often the calibration samples are gone through once more, to train scales, biases
            and normalization until the model's outputs are those of the floats, see
            `bcq_tf.training.tuning`: once is much at 3 bits and fewer. A step takes the time of a
            training step of the float model, and as much memory; needs TensorFlow.
        filepath: where to write the `.bcq.npy` file, or None.
        verbose: whether stderr shows how many weights are done: a bar on a terminal, else a line.

    Returns:
        A `Report`; `print(report)` shows every weight.

    Raises:
        ValueError, TypeError: an argument breaks its rule, the model does not take the calibration
            data, or a weight or an activation holds NaN or Inf; the model is unchanged then.
        OSError: the file cannot be written; the model is unchanged then.

    Example:
        >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
        >>> report = bcq_tf.quantize_model(model, bits=2, filepath="model.bcq.npy")
        >>> [weight.path for weight in report.chosen], [weight.reason for weight in report.skipped]
        (['sequential/dense/kernel'], ['bias'])
    """
    config = make_config(config, bits, group_size, offset, solver, scale_dtype)
    check_budget(budget, bits, calibration)
    if sequential and calibration is None:
        raise ValueError("`sequential` needs `calibration`, samples of data. Received: none")
    check_tune(tune, calibration)
    if tune:
        check_backend()
    if filepath is not None:
        file.check_output(filepath, "filepath")
    quantizer = ModelQuantizer(model, config, rules)
    samples = None
    if calibration is not None:
        batches = batches_of(model, calibration, batch_size)
        samples = Calibration(model, batches, squares=budget is not None)
    if budget is not None:
        rules = spend(samples, config, rules, budget, verbose=verbose)
        quantizer = ModelQuantizer(model, config, rules)
    with progress(f"quantizing {quantizer.size:,} weights", quantizer.size, verbose) as show:
        quantizer.solve(effort, show=show, calibration=samples, sequential=sequential)
    if samples is not None:
        samples.warn(quantizer.plan.chosen)
    if tune:
        quantizer.tune(batches, tune, verbose)
    contents = quantizer.contents()
    if filepath is not None:
        file.save(filepath, *contents)
    quantizer.put_codes()
    return Report.of(*contents)


def _solve(
    weight: Chosen, value: np.ndarray, start: BinaryCodes | None, effort: str, moments, cross=None
):
    matrix = weight.view.to_matrix(value)
    try:
        target = matrix if cross is None else corrected(matrix, moments, cross)
        codes = quantize(target, config=weight.config, start=start, effort=effort, moments=moments)
    except ValueError as error:
        raise type(error)(f"{error} (weight {weight.path!r})") from error
    return codes, *error_and_energy(matrix, codes)


def _put(weight: Chosen, codes: BinaryCodes) -> None:
    shape = weight.view.shape
    if weight.view.is_reshape and len(weight.view.rows) == 1 and codes.row_order is None:
        blocks = ((rows, part.reshape(-1, *shape[1:])) for rows, part in codes.blocks())
        assign_rows(weight.variable, blocks)
    else:
        weight.variable.assign(weight.view.from_matrix(codes.reconstruct()))
