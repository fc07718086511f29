"""When which weights are quantized, and to how many bits, before training reaches its last plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from bcq_tf.config import check_bits, check_integer, matches
from bcq_tf.selection.selection import Plan, Skipped, Weight


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of training in which some weights have more bits than at its end, or are still float.

    Args:
        until: the optimizer step that ends it.
        changes: (pattern on a weight's path, bits or None for float) pairs; the first that matches
            wins. Weights that none matches are as at the end of training.
    """

    until: int
    changes: tuple[tuple[str, int | None], ...]

    def apply(self, plan: Plan) -> Plan:
        """What becomes of `plan` in this phase. No weight has fewer bits than there."""
        return Plan.of(self._decide(weight) for weight in plan.weights)

    def _decide(self, weight: Weight) -> Weight:
        found = [bits for pattern, bits in self.changes if _matches(pattern, weight)]
        if not found or isinstance(weight, Skipped):
            return weight
        if found[0] is None:
            reason = f"float until step {self.until}"
            return Skipped(weight.position, weight.path, weight.variable, reason)
        return dataclasses.replace(weight, config=weight.config.with_at_least(found[0]))


def make_phases(schedule) -> tuple[Phase, ...]:
    """Normalises what users write as a schedule.

    Args:
        schedule: None, or a mapping {step: change}: the change holds until that optimizer step,
            from the step of the change before it. A change is a number of bits for every weight,
            None (every weight stays float), or a mapping of patterns on a weight's path to these.

    Returns:
        The phases in the order of their steps.

    Raises:
        ValueError, TypeError: a step is no positive integer, a change not one of these.
    """
    if schedule is None:
        return ()
    if not isinstance(schedule, Mapping):
        raise TypeError(f"`schedule` must be a mapping of steps to bits. Received: {schedule!r}")
    for step in schedule:
        check_integer("step", step, 1)
    return tuple(Phase(int(step), _make_changes(step, schedule[step])) for step in sorted(schedule))


def phase_at(phases: tuple[Phase, ...], step: int) -> Phase | None:
    """The phase that the optimizer step `step` is in; None after the last."""
    return next((phase for phase in phases if step < phase.until), None)


def check_phases(phases: tuple[Phase, ...], plan: Plan) -> None:
    """Raises ValueError where a pattern matches no weight that is quantized at the end."""
    for phase in phases:
        for pattern, _ in phase.changes:
            if not any(_matches(pattern, weight) for weight in plan.chosen):
                paths = ", ".join(weight.path for weight in plan.chosen[:3])
                raise ValueError(
                    "`schedule` must have patterns that match the path of a quantized weight. "
                    f"Received: {pattern!r} until step {phase.until}. Paths: {paths}"
                )


def _make_changes(step: int, change) -> tuple[tuple[str, int | None], ...]:
    pairs = change.items() if isinstance(change, Mapping) else [("*", change)]
    try:
        return tuple((pattern, None if b is None else check_bits(b)) for pattern, b in pairs)
    except ValueError as error:
        raise ValueError(f"{error} (`schedule`, until step {step})") from None


def _matches(pattern: str, weight: Weight) -> bool:
    return matches(pattern, weight.variable.path, weight.path)
