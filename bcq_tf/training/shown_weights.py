"""Which weights a model in training holds: those that training goes on from, or the quantized."""

from __future__ import annotations

import contextlib
import copy
import zlib

import numpy as np

from bcq_tf._keras import as_array, sync_variables
from bcq_tf.selection.selection import Chosen
from bcq_tf.training.quantizer import ModelQuantizer


class ShownWeights:
    """Puts quantized weights into a model in training and takes them out again.

    Args:
        quantizer: of the model.

    Attributes:
        quantized: whether the model holds quantized weights. To be set to False where a step, which
            moves them, begins, and to True where training goes on from quantized ones.
    """

    def __init__(self, quantizer: ModelQuantizer):
        self._quantizer = quantizer
        self._aside = None  # the training weights, where others are shown
        self.quantized = False

    def show(self) -> None:
        """Shows the values of the quantizer's codes until `put_back`."""
        self._show(self._quantizer)

    def put_back(self) -> None:
        """Gives the model its training weights, where others are shown.

        A weight that something else was assigned to meanwhile keeps that.
        """
        if self._aside is None:
            return
        for weight in self._quantizer.plan.chosen:
            value, checksum = self._aside[weight.position]
            if _checksum(weight) == checksum:
                weight.variable.assign(value)
        self.forget()

    def forget(self) -> None:
        """Lets the weights that the model has be its training weights."""
        self._aside, self.quantized = None, False

    @contextlib.contextmanager
    def looking(self, effort: str):
        """Shows weights quantized now; training goes on as if nothing had been."""
        if self.quantized:
            yield
            return
        sync_variables(self._quantizer.model)
        quantizer = copy.copy(self._quantizer)
        quantizer.solve(effort)
        self._show(quantizer)
        try:
            yield
        finally:
            self.put_back()

    @contextlib.contextmanager
    def hidden(self):
        """The model holds its training weights in this context."""
        if self._aside is None:
            yield
            return
        aside, seen = self._aside, self._quantizer.values()
        self.put_back()
        try:
            yield
        finally:
            self._quantizer.put_values(seen)
            self._aside, self.quantized = aside, True

    def _show(self, quantizer: ModelQuantizer) -> None:
        values = quantizer.values()
        quantizer.put_codes()
        self._aside = {
            weight.position: (values[weight.position], _checksum(weight))
            for weight in quantizer.plan.chosen
        }
        self.quantized = True


def _checksum(weight: Chosen) -> int:
    return zlib.crc32(np.ascontiguousarray(as_array(weight.variable)).view(np.uint8).data)
