"""Which packed class a layer's class becomes, and back."""

from __future__ import annotations

import contextlib
import functools

import keras
from keras import layers

from bcq_tf._keras import register_name
from bcq_tf.layers.compositional_embedding import CompositionalEmbedding
from bcq_tf.layers.compositional_weight import CompositionalWeight
from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.embedding import BCQEmbedding
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.float_embedding import FloatEmbedding
from bcq_tf.layers.float_weight import FloatWeight
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding
from bcq_tf.layers.uniform_embedding import UniformEmbedding
from bcq_tf.layers.uniform_weight import UniformWeight
from bcq_tf.layers.weights import weight_from_dict

PACKED_CLASSES = {
    layers.Dense: BCQDense,
    layers.EinsumDense: BCQEinsumDense,
    layers.Embedding: BCQEmbedding,
    FastEmbedding: BCQEmbedding,
    layers.ReversibleEmbedding: BCQReversibleEmbedding,
    layers.Conv1D: BCQConv1D,
    layers.Conv2D: BCQConv2D,
    layers.Conv3D: BCQConv3D,
}
EMBEDDINGS = (layers.Embedding, FastEmbedding)
# Of these, by how the table is kept.
_EMBEDDING_CLASSES = {
    PackedWeight: BCQEmbedding,
    UniformWeight: UniformEmbedding,
    CompositionalWeight: CompositionalEmbedding,
    FloatWeight: FloatEmbedding,
}


def known_base(float_class: type) -> type | None:
    """The Keras class of those in `PACKED_CLASSES` that a float class is, or None."""
    return next((base for base in float_class.__mro__ if base in PACKED_CLASSES), None)


@functools.cache
def packed_class(float_class: type, weight_class: type) -> type:
    """The class of layers of `float_class` whose weights are kept so.

    A subclass that changes neither call nor build keeps its other methods.
    """
    base = known_base(float_class)
    packed = PACKED_CLASSES[base]
    if base in EMBEDDINGS:
        packed = _EMBEDDING_CLASSES[weight_class]
    if float_class is base:
        return packed
    bases = PackedSubclass, packed, float_class
    made = type(f"Packed{float_class.__name__}", bases, {"_float_class": float_class})
    register_name(made, "bcq_tf>PackedSubclass")
    return made


@contextlib.contextmanager
def float_classes(packed: list):
    """Packed layers and models have their float classes in this context, to be serialized."""
    classes = [type(layer) for layer in packed]
    try:
        for layer in packed:
            layer.__class__ = layer._float_class
        yield
    finally:
        for layer, packed_class in zip(packed, classes, strict=True):
            layer.__class__ = packed_class


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
        packed = {name: weight.to_dict() for name, weight in self.packed_weights.items()}
        return {"layer": config, "packed_weights": packed, "precision": self.precision}

    @classmethod
    def from_config(cls, config):
        """A layer that is not built."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        weights = {name: weight_from_dict(w) for name, w in config["packed_weights"].items()}
        layer.__class__ = packed_class(type(layer), *{type(w) for w in weights.values()})
        layer._set_packing(weights, config["precision"])
        return layer
