"""A model as a function of its inputs and its codes.

Whoever writes a file decides what the codes become in it. For a converter they are inputs: it folds
constants that it can compute with, and would unpack codes and write floats, but it cannot fold an
input; in the file that it makes these inputs are then made constants.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from bcq_tf.export.interface import float32, identifier, input_specs, named_codes, named_outputs
from bcq_tf.export.unpacking import Unpacking
from bcq_tf.ops import TiledCodes


@dataclasses.dataclass(frozen=True)
class PackedFunction:
    """A packed model, called with the parts of its codes."""

    model: keras.Model
    inputs: list  # of named `tf.TensorSpec`: one structure for each positional argument
    ops: type  # `Unpacking`, or another of its methods: how codes are stored and computed with
    # (codes, {part: (name, array)}) of each packed weight, the parts as `ops` has them
    codes: list[tuple[TiledCodes, dict[str, tuple[str, np.ndarray]]]]

    @classmethod
    def of(cls, model, signature=None, ops: type = Unpacking) -> PackedFunction:
        """The function of a packed model; `input_specs` tells what the signature is."""
        return cls(
            model,
            input_specs(model, signature),
            ops,
            [
                # Paths may be equal; the number tells them apart.
                (codes, _named(f"codes{k}_{name}", ops.parts_of(codes)))
                for k, (name, codes) in enumerate(named_codes(model))
            ],
        )

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """{name: array} of all parts of all codes."""
        return {name: array for _, parts in self.codes for name, array in parts.values()}

    def __call__(self, arguments, constants: dict):
        """The model's outputs, in inference; half precision comes out as float32.

        Args:
            arguments: tensors in the structure of `inputs`.
            constants: {name: tensor or array}, float32 where the array is float16.
        """
        stand_ins, known = [], {}
        for codes, parts in self.codes:
            # What the layer sees as its codes; the ops know by the tiles which are meant.
            tiles, *others = [(part, tf.zeros(part.shape, part.dtype)) for part in _parts(codes)]
            stand_ins += [tiles, *others]
            known[tiles[1].ref()] = {part: constants[name] for part, (name, _) in parts.items()}
        with keras.StatelessScope(stand_ins), self.ops(known).used():
            return keras.tree.map_structure(float32, self.model(*arguments, training=False))

    def flat(self, as_inputs: bool = True) -> tuple:
        """(function, specs): a `tf.function` of the tensors of `specs`, {name: output}.

        The specs are those of the inputs, then those of the constants if these are `as_inputs`.
        """
        constants = self.constants
        inputs = keras.tree.flatten(self.inputs)
        given = [_spec(name, array) for name, array in constants.items()] if as_inputs else []

        @tf.function(input_signature=[*inputs, *given], autograph=False)
        def function(*tensors):
            first, rest = tensors[: len(inputs)], tensors[len(inputs) :]
            arguments = keras.tree.pack_sequence_as(self.inputs, list(first))
            values = dict(zip(constants, rest, strict=True)) if as_inputs else constants
            return named_outputs(self(arguments, values))

        return function, [*inputs, *given]


def _named(name: str, parts: dict) -> dict:
    return {part: (f"{identifier(name)}_{part}", array) for part, array in parts.items()}


def _parts(codes: TiledCodes) -> list:
    parts = (codes.tiles, *codes.parts, codes.row_order, codes.row_place)
    return [part for part in parts if part is not None]


def _spec(name: str, array: np.ndarray) -> tf.TensorSpec:
    dtype = np.float32 if array.dtype == np.float16 else array.dtype
    return tf.TensorSpec(array.shape, dtype, name)
