"""A model as a function of its inputs and its codes.

A converter folds what it can compute, and so would unpack constant codes and write floats. It
cannot fold an input: codes go through the conversion as inputs and become constants in the file
that comes out.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.export.interface import identifier, input_specs, named_codes, named_outputs
from bcq_tf.export.unpacking import Unpacking, unpackable
from bcq_tf.ops.engine import using


@dataclasses.dataclass(frozen=True)
class Trace:
    """A model as a function.

    Args:
        function: a `tf.function` of the tensors of `specs`, in their order; returns {name: output}.
        specs: named `tf.TensorSpec` of the model's inputs, then those of `constants`.
        constants: {name: array}, the parts of all codes.
    """

    function: Any
    specs: list[tf.TensorSpec]
    constants: dict[str, np.ndarray]


def trace(model, signature=None) -> Trace:
    """The packed `model` as a function; `input_specs` tells what the signature is."""
    inputs = input_specs(model, signature)
    packed = list(named_codes(model))
    arrays = [_named_parts(name, codes) for name, codes in packed]
    constants = {name: array for parts in arrays for name, array in parts.values()}
    count = len(keras.tree.flatten(inputs))
    specs = keras.tree.flatten(inputs)
    specs += [tf.TensorSpec(array.shape, array.dtype, name) for name, array in constants.items()]

    @tf.function(input_signature=specs, autograph=False)
    def function(*tensors):
        given = dict(zip(constants, tensors[count:], strict=True))
        # What the layers see in place of their tiles; `Unpacking` knows by it which codes are meant.
        stand_ins = [tf.zeros(codes.tiles.shape, tf.uint32) for _, codes in packed]
        parts = [{part: given[name] for part, (name, _) in parts.items()} for parts in arrays]
        known = {tiles.ref(): own for tiles, own in zip(stand_ins, parts, strict=True)}
        mapping = [(codes.tiles, t) for (_, codes), t in zip(packed, stand_ins, strict=True)]
        arguments = keras.tree.pack_sequence_as(inputs, list(tensors[:count]))
        with keras.StatelessScope(mapping), using(Unpacking(known)):
            return named_outputs(model(*arguments, training=False))

    return Trace(function, specs, constants)


def _named_parts(name: str, codes) -> dict[str, tuple[str, np.ndarray]]:
    # {part: (name in the file, array)}
    parts = unpackable(codes).items()
    return {part: (f"{identifier(name)}_{part}", array) for part, array in parts}
