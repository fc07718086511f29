"""What rates an epoch: an entry of the logs, or a function of the quantized model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

_NAMELESS = "monitor"


class Score:
    """A function of the model as an entry of the logs.

    Args:
        function: takes the model, returns a number.

    Attributes:
        name: of the entry: the function's, or "monitor" where it has none (a lambda).
    """

    def __init__(self, function: Callable):
        self._function = function
        while isinstance(function, functools.partial):
            function = function.func
        name = getattr(function, "__name__", type(function).__name__)
        self.name = name if name.isidentifier() else _NAMELESS

    def add_to(self, logs: dict, model) -> None:
        """Calls the function and adds what it returns to the logs.

        Raises:
            TypeError, ValueError: it returns no number; the logs have an entry of its name.
        """
        if self.name in logs:
            raise ValueError(
                "`monitor` must be a function whose name is no entry of the logs "
                f"{sorted(logs)}. Received: a function named {self.name!r}"
            )
        value = self._function(model)
        try:
            logs[self.name] = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                "`monitor` must be a function of the model that returns a number. "
                f"Received: {self.name!r}, which returned {type(value).__name__}"
            ) from None


def check_monitor(monitor, mode: str) -> None:
    """Raises TypeError or ValueError where `monitor` is no name or function, or lacks a mode."""
    if not isinstance(monitor, str) and not callable(monitor):
        raise TypeError(
            "`monitor` must be the name of an entry of the logs or a function of the model. "
            f"Received: monitor={monitor!r}"
        )
    if callable(monitor) and mode == "auto":
        raise ValueError(
            "`mode` must be 'min' or 'max' where `monitor` is a function. Received: mode='auto'"
        )


def is_value(value) -> bool:
    """Whether the "value" of a file's metadata is one: a finite number, or None where not rated."""
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def rating_text(metadata: dict) -> str:
    """How good a file's model is, in words."""
    value = metadata["value"]
    return "last epoch" if value is None else f"{metadata['monitor']} {value:.5g}"
