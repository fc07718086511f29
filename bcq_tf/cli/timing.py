"""Times of functions that take turns, so that a busy moment of the machine hits them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 9
TURN_SECONDS = 0.01


def take_turns(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """{name: median seconds of one call}, over `ROUNDS` turns of about `TURN_SECONDS` each.

    Each function must have computed all when it returns; it is called twice before.
    """
    calls = {name: _calls_in_a_turn(function) for name, function in functions.items()}
    times = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            times[name].append(_seconds(function, calls[name]) / calls[name])
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def _calls_in_a_turn(function: Callable[[], object]) -> int:
    function()  # the first call traces
    return max(1, int(TURN_SECONDS / max(_seconds(function, 1), 1e-9)))


def _seconds(function: Callable[[], object], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - begin
