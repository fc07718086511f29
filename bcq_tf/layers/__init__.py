"""Keras layers that keep their weights as codes and compute from these.

`bcq_tf.pack_model` puts them in the place of a model's layers. Importing this package lets
`keras.saving.load_model` read packed models.
"""

from bcq_tf.layers.compositional_embedding import CompositionalEmbedding
from bcq_tf.layers.compositional_weight import CompositionalWeight
from bcq_tf.layers.convolution import BCQConv1D, BCQConv2D, BCQConv3D
from bcq_tf.layers.dense import BCQDense
from bcq_tf.layers.einsum_dense import BCQEinsumDense
from bcq_tf.layers.embedding import BCQEmbedding
from bcq_tf.layers.fast_embedding import FastEmbedding
from bcq_tf.layers.fast_multi_embedding import FastMultiEmbedding
from bcq_tf.layers.float_embedding import FloatEmbedding
from bcq_tf.layers.packed_embedding import PackedEmbedding
from bcq_tf.layers.packed_layer import PackedLayer
from bcq_tf.layers.packed_model import PackedModel
from bcq_tf.layers.packed_weight import PackedWeight
from bcq_tf.layers.quant_embedding import QuantEmbedding
from bcq_tf.layers.reversible_embedding import BCQReversibleEmbedding
from bcq_tf.layers.table_weight import TableWeight
from bcq_tf.layers.uniform_embedding import UniformEmbedding
from bcq_tf.layers.uniform_weight import UniformWeight

__all__ = [
    "BCQConv1D",
    "BCQConv2D",
    "BCQConv3D",
    "BCQDense",
    "BCQEinsumDense",
    "BCQEmbedding",
    "BCQReversibleEmbedding",
    "CompositionalEmbedding",
    "CompositionalWeight",
    "FastEmbedding",
    "FastMultiEmbedding",
    "FloatEmbedding",
    "PackedEmbedding",
    "PackedLayer",
    "PackedModel",
    "PackedWeight",
    "QuantEmbedding",
    "TableWeight",
    "UniformEmbedding",
    "UniformWeight",
]
