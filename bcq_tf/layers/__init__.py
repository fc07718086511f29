"""Keras layers that keep their weights as codes and compute from these.

`bcq_tf.pack_model` puts them in the place of a model's layers. Importing this package lets
`keras.saving.load_model` read packed models.
"""

from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.fast_multi_embedding import FastMultiEmbedding
from bcq_tf.layers.kinds.binary import BCQEmbedding, BinaryWeight
from bcq_tf.layers.kinds.coded_weight import CodedWeight
from bcq_tf.layers.kinds.compositional import CompositionalEmbedding, CompositionalWeight
from bcq_tf.layers.kinds.floats import FloatEmbedding, FloatWeight
from bcq_tf.layers.kinds.uniform import UniformEmbedding, UniformWeight
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.packed_model import PackedModel
from bcq_tf.layers.packed_recurrent import PackedRecurrent
from bcq_tf.layers.quant_embedding import QuantEmbedding
from bcq_tf.layers.recurrent_cells import BCQGRUCell, BCQLSTMCell, BCQSimpleRNNCell
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding

__all__ = [
    "BCQConv1D",
    "BCQConv2D",
    "BCQConv3D",
    "BCQDense",
    "BCQEinsumDense",
    "BCQEmbedding",
    "BCQGRUCell",
    "BCQLSTMCell",
    "BCQReversibleEmbedding",
    "BCQSimpleRNNCell",
    "BinaryWeight",
    "CodedWeight",
    "CompositionalEmbedding",
    "CompositionalWeight",
    "FastEmbedding",
    "FastMultiEmbedding",
    "FloatEmbedding",
    "FloatWeight",
    "PackedEmbedding",
    "PackedLayer",
    "PackedModel",
    "PackedRecurrent",
    "QuantEmbedding",
    "UniformEmbedding",
    "UniformWeight",
]
