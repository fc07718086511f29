"""Which packed class a layer's class becomes, and back."""

from __future__ import annotations

import functools

import keras
from keras import layers

from bcq_tf._keras import float_classes, packed_subclass
from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import EMBEDDINGS, weight_from_dict
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding

PACKED_CLASSES = {
    layers.Dense: BCQDense,
    layers.EinsumDense: BCQEinsumDense,
    layers.Embedding: PackedEmbedding,  # by the kind of codes one of `EMBEDDINGS`
    FastEmbedding: PackedEmbedding,
    layers.ReversibleEmbedding: BCQReversibleEmbedding,
    layers.Conv1D: BCQConv1D,
    layers.Conv2D: BCQConv2D,
    layers.Conv3D: BCQConv3D,
}


def known_base(float_class: type) -> type | None:
    """The Keras class of those in `PACKED_CLASSES` that a float class is, or None."""
    return next((base for base in float_class.__mro__ if base in PACKED_CLASSES), None)


def packed_class(float_class: type, weights: dict[str, CodedWeight]) -> type:
    """The class of layers of `float_class` whose weights are kept so.

    A subclass that changes neither call nor build keeps its other methods.
    """
    base = known_base(float_class)
    packed = PACKED_CLASSES[base]
    if packed is PackedEmbedding:
        packed = EMBEDDINGS[weights["embeddings"].CODES.KIND]
    return packed if float_class is base else _subclass(packed, float_class)


@functools.cache
def _subclass(packed: type, float_class: type) -> type:
    return packed_subclass((PackedSubclass, packed), float_class, "bcq_tf>PackedSubclass")


@keras.saving.register_keras_serializable(package="bcq_tf")
class PackedSubclass:
    """Stands before the packed class of a subclass of a Keras layer, made when one is packed.

    A file that names the packed class would not load where nothing was packed yet, so the config
    has that of the float layer.
    """

    def get_config(self):
        """The float layer's config, and that of the packing."""
        with float_classes([self]):
            config = keras.saving.serialize_keras_object(self)
        config.pop("build_config", None)  # it would make the float variables
        return {"layer": config} | self.packing_config()

    @classmethod
    def from_config(cls, config):
        """A layer that is not built."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        weights = {name: weight_from_dict(w) for name, w in config["packed_weights"].items()}
        layer.__class__ = packed_class(type(layer), weights)
        layer.set_packing(weights, config["precision"])
        return layer
