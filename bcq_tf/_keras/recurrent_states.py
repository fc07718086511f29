"""The states that stateful recurrent layers keep from batch to batch."""

from __future__ import annotations

import contextlib

import keras

from bcq_tf._keras.structure import walk_layers


def recurrent_states(model) -> list:
    """Their variables, which are not among those of the model."""
    layers = [layer for layer in walk_layers(model) if getattr(layer, "stateful", False)]
    return [state for layer in layers for state in keras.tree.flatten(layer.states or ())]


@contextlib.contextmanager
def keeping_states(model):
    """A context after which stateful recurrent layers have the states that they had before."""
    states = recurrent_states(model)
    before = [keras.ops.copy(state) for state in states]
    try:
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
