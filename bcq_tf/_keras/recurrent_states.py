"""The states that stateful recurrent layers keep from batch to batch."""

from __future__ import annotations

import contextlib

import keras

from bcq_tf._keras.structure import walk_layers


@contextlib.contextmanager
def keeping_states(model):
    """A context after which stateful recurrent layers have the states that they had before."""
    layers = [layer for layer in walk_layers(model) if getattr(layer, "stateful", False)]
    states = [state for layer in layers for state in keras.tree.flatten(layer.states or ())]
    before = [keras.ops.copy(state) for state in states]
    try:
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
