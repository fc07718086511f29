"""Which packed class a layer's class becomes, and back."""

from __future__ import annotations

import functools

import keras
from keras import layers

from bcq_tf._keras import ConvLSTMCell, float_classes, packed_subclass
from bcq_tf._keras.hub import hub_matrices
from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.decoded_layer import PackedPositions, decoded_class
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.registry import EMBEDDINGS, weight_from_dict
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.layers.recurrent_cells import BCQGRUCell, BCQLSTMCell, BCQSimpleRNNCell
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding

_KERNEL = decoded_class(("kernel",))
_SEPARABLE = decoded_class(("depthwise_kernel", "pointwise_kernel"))
_PACKED_CLASSES = {
    layers.Dense: BCQDense,
    layers.EinsumDense: BCQEinsumDense,
    layers.Embedding: PackedEmbedding,  # by the kind of codes one of `EMBEDDINGS`
    FastEmbedding: PackedEmbedding,
    layers.ReversibleEmbedding: BCQReversibleEmbedding,
    layers.Conv1D: BCQConv1D,
    layers.Conv2D: BCQConv2D,
    layers.Conv3D: BCQConv3D,
    layers.Conv1DTranspose: _KERNEL,
    layers.Conv2DTranspose: _KERNEL,
    layers.Conv3DTranspose: _KERNEL,
    layers.DepthwiseConv1D: _KERNEL,
    layers.DepthwiseConv2D: _KERNEL,
    layers.SeparableConv1D: _SEPARABLE,
    layers.SeparableConv2D: _SEPARABLE,
    layers.SimpleRNNCell: BCQSimpleRNNCell,
    layers.LSTMCell: BCQLSTMCell,
    layers.GRUCell: BCQGRUCell,
    ConvLSTMCell: decoded_class(("kernel", "recurrent_kernel")),
}


def packed_form(float_class: type) -> tuple[type, type] | None:
    """(the class of Keras, KerasHub or bcq_tf that a float class is, what that becomes), or None.

    What it becomes has the names of the weights that it can hold as codes in `PACKED`.
    """
    for base in float_class.__mro__:
        if base in _PACKED_CLASSES:
            return base, _PACKED_CLASSES[base]
        if names := tuple(hub_matrices(base)):
            positions = names == PackedPositions.PACKED
            return base, PackedPositions if positions else decoded_class(names)
    return None


def packed_class(float_class: type, weights: dict[str, CodedWeight]) -> type:
    """The class of layers of `float_class` whose weights are kept so.

    A subclass that changes neither call nor build keeps its other methods.
    """
    base, packed = packed_form(float_class)
    if packed is PackedEmbedding:
        packed = EMBEDDINGS[weights["embeddings"].CODES.KIND]
    whole = float_class is base and issubclass(packed, layers.Layer)
    return packed if whole else _subclass(packed, float_class)


def make_packed(layer, packing: dict) -> None:
    """Makes a float layer that is not built a packed one in place.

    packing: its `packing_config`.
    """
    weights = {name: weight_from_dict(w) for name, w in packing["packed_weights"].items()}
    layer.__class__ = packed_class(type(layer), weights)
    layer.set_packing(weights, packing["precision"])


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
        make_packed(layer, config)
        return layer
