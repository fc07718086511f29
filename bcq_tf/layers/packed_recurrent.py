"""`PackedRecurrent`: the loops of RNN layers whose cells are packed."""

from __future__ import annotations

import contextlib
import functools

import keras
import tensorflow as tf
from keras import layers

from bcq_tf._keras import (
    float_class,
    float_classes,
    is_swapped,
    layers_by_path,
    packed_subclass,
    swap_back,
    swap_class,
    walk_layers,
)
from bcq_tf.layers.packed_classes import make_packed
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.recurrent_cells import PackedCell
from bcq_tf.ops.binary import product
from bcq_tf.ops.many_rows import always_gain

MOST_SEQUENCES = 16
"""Up to so many sequences at once are computed from the codes, step by step; for more of them the
kernels are decoded before the first step, but with AMX, where they are not small."""


@keras.saving.register_keras_serializable(package="bcq_tf")
class PackedRecurrent:
    """Stands before the class of an RNN layer whose cell, or cells, are packed.

    The inputs of all steps are multiplied by the kernel at once, and each step by the recurrent
    kernel: for few sequences from the codes, for many, and where nothing is compiled, by kernels
    that are decoded once a call. Loops and cells that are not Keras' own run as they are, from such
    kernels.
    """

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """As `keras.layers.RNN.inner_loop`."""
        arguments = (sequences, initial_state, mask, training)
        if not self._has_products(training):
            return self._decoded(super().inner_loop, *arguments)
        batch = sequences.shape[0]
        always = self._always_gains()
        if not product.is_compiled or ((batch or 0) > MOST_SEQUENCES and not always):
            return self._decoded(self._loop, *arguments)
        if batch is not None or always:
            return self._loop(*arguments)
        return tf.cond(
            tf.shape(sequences)[0] <= MOST_SEQUENCES,
            lambda: self._loop(*arguments),
            lambda: self._decoded(self._loop, *arguments),
        )

    def _decoded(self, loop, *arguments):
        with contextlib.ExitStack() as stack:
            for cell in packed_cells(self):
                stack.enter_context(cell.decoded())
            return loop(*arguments)

    def _loop(self, sequences, initial_state, mask, training):
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        projects = isinstance(self.cell, PackedCell)
        with self.cell.projected() if projects else contextlib.nullcontext():
            if projects:
                sequences = self.cell.times(sequences, "kernel")
            # Past the classes that look for a kernel of cuDNN's with the float weights.
            return layers.RNN.inner_loop(self, sequences, initial_state, mask, training)

    def _has_products(self, training) -> bool:
        known = layers.RNN.inner_loop, layers.LSTM.inner_loop, layers.GRU.inner_loop
        return float_class(self).inner_loop in known and all(
            isinstance(cell, PackedCell) and cell.has_products(training)
            for cell in packed_cells(self)
        )

    def _always_gains(self) -> bool:
        return all(
            always_gain(cell.codes_of(name).layout)
            for cell in packed_cells(self)
            for name in cell.packed_weights
            if name not in cell.kept_floats
        )

    def get_config(self):
        """The float layer's config, its class, and how its cells are packed."""
        cells = {
            path: inside.packing_config()
            for path, inside in layers_by_path(self).items()
            if isinstance(inside, PackedLayer)
        }
        with float_classes([self, *packed_cells(self)]):
            layer = keras.saving.serialize_keras_object(self)
        layer = _unbuilt(layer)
        config = layer.pop("config")
        return config | {"packed_cells": cells, "float_layer": layer}

    @classmethod
    def from_config(cls, config):
        """A layer that is not built."""
        config = dict(config)
        cells, layer = config.pop("packed_cells"), config.pop("float_layer")
        made = keras.saving.deserialize_keras_object(layer | {"config": config})
        inside = layers_by_path(made)
        for path, packing in cells.items():
            make_packed(inside[path], packing)
        made.__class__ = _loop_class(type(made))
        return made


def packed_cells(layer) -> list[PackedLayer]:
    """The packed layers in the cell of an RNN layer."""
    cell = layer.cell
    inside = walk_layers(cell) if isinstance(cell, layers.Layer) else ()
    return [one for one in inside if isinstance(one, PackedLayer)]


def pack_loops(model) -> None:
    """Gives the RNN layers in a model whose cells are packed a class that knows it."""
    for layer in list(walk_layers(model)):
        is_float = isinstance(layer, layers.RNN) and not isinstance(layer, PackedRecurrent)
        if is_float and packed_cells(layer):
            swap_class(layer, _loop_class(type(layer)), None)


def unpack_loops(model) -> None:
    """Undoes `pack_loops` where no cell is packed any more."""
    for layer in list(walk_layers(model)):
        if isinstance(layer, PackedRecurrent) and is_swapped(layer) and not packed_cells(layer):
            swap_back(layer)


def _unbuilt(config):
    # Without what says how layers were built, which would make their float variables.
    if isinstance(config, dict):
        return {key: _unbuilt(value) for key, value in config.items() if key != "build_config"}
    return [_unbuilt(item) for item in config] if isinstance(config, list) else config


@functools.cache
def _loop_class(cls: type) -> type:
    return packed_subclass((PackedRecurrent,), cls, "bcq_tf>PackedRecurrent")
