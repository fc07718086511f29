"""What rates an epoch: an entry of the logs, or a function of the quantized model."""

from __future__ import annotations

import functools
import math

from bcq_tf._keras import monitor_mode
from bcq_tf.config import check_choice

_NAMELESS = "monitor"


def check_monitor(monitor, mode: str) -> None:
    """Raises TypeError or ValueError where `monitor` is no name or function, or lacks a mode."""
    check_choice("mode", mode, ("auto", "min", "max"))
    if not isinstance(monitor, str) and not callable(monitor):
        raise TypeError(
            "`monitor` must be the name of an entry of the logs or a function of the model. "
            f"Received: monitor={monitor!r}"
        )
    if callable(monitor) and mode == "auto":
        raise ValueError(
            "`mode` must be 'min' or 'max' where `monitor` is a function. Received: mode='auto'"
        )


def entry_name(monitor) -> str:
    """The log entry of a `monitor`; of a function its name, or "monitor" where it has none."""
    if isinstance(monitor, str):
        return monitor
    while isinstance(monitor, functools.partial):
        monitor = monitor.func
    name = getattr(monitor, "__name__", type(monitor).__name__)
    return name if name.isidentifier() else _NAMELESS


class Rating:
    """How the epochs of one `fit` are rated: by a log entry, or a function of the model.

    Attributes:
        monitor: the name of the entry.
        mode: "min" or "max" once an epoch's logs have had the entry; None before.
    """

    def __init__(self, monitor, mode: str, model):
        self.monitor, self.mode = entry_name(monitor), None
        self._function = None if isinstance(monitor, str) else monitor
        self._asked, self._model = mode, model

    def add_score(self, logs: dict) -> None:
        """Adds what the function returns, if there is one.

        Raises:
            TypeError, ValueError: it returns no number; the logs have an entry of its name.
        """
        if self._function is None:
            return
        if self.monitor in logs:
            raise ValueError(
                "`monitor` must be a function whose name is no entry of the logs "
                f"{sorted(logs)}. Received: a function named {self.monitor!r}"
            )
        value = self._function(self._model)
        try:
            logs[self.monitor] = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                "`monitor` must be a function of the model that returns a number. "
                f"Received: {self.monitor!r}, which returned {type(value).__name__}"
            ) from None

    def value(self, logs: dict) -> float | None:
        """What an epoch is rated; None where the entry is not in every epoch's logs.

        Raises:
            ValueError: it is in none, or nothing tells whether it should fall or grow.
        """
        if self.monitor in logs:
            self.mode = self.mode or self._find_mode()
            return float(logs[self.monitor])
        validated = any(name.startswith("val_") for name in logs)
        if self.mode is None and (validated or not self.monitor.startswith("val_")):
            raise ValueError(
                f"`monitor` must be one of the logs {sorted(logs)}. "
                f"Received: monitor={self.monitor!r}"
            )
        return None  # as with `validation_freq`

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether `value` is finite, and better than the best before it, if there is one."""
        better = best is None or (value < best if self.mode == "min" else value > best)
        return math.isfinite(value) and better

    def _find_mode(self) -> str:
        mode = monitor_mode(self.monitor, self._asked, self._model)
        if mode is None:
            raise ValueError(
                "`mode` must say whether `monitor` should fall or grow, which Keras does not know "
                "of it. Pass `mode='max'` or `mode='min'`. "
                f"Received: monitor={self.monitor!r}, mode={self._asked!r}"
            )
        return mode


def is_value(value) -> bool:
    """Whether the "value" of a file's metadata is one: a finite number, or None where not rated."""
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def rating_text(metadata: dict) -> str:
    """How good a file's model is, in words."""
    value = metadata.get("value")
    return "last epoch" if value is None else f"{metadata['monitor']} {value:.5g}"
