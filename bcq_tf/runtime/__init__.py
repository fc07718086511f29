"""Computing from `.bcq.npy` files with NumPy alone: no TensorFlow, no Keras.

`open` gives the weights of any file, to multiply with and to look up in; `load` a whole model that
`bcq_tf.export_runtime` wrote.

Example:
    >>> from bcq_tf import runtime
    >>> opened = runtime.open("model.bcq.npy")
    >>> y = opened["decoder/ffn/kernel"].matmul(x)
    >>> vectors = opened["embedding/embeddings"][[5, 7]]
"""

from bcq_tf.runtime.loaded import Loaded, load
from bcq_tf.runtime.opened import Opened, open
from bcq_tf.runtime.weights import BinaryWeight, CompositionalWeight, UniformWeight, Weight

__all__ = [
    "BinaryWeight",
    "CompositionalWeight",
    "Loaded",
    "Opened",
    "UniformWeight",
    "Weight",
    "load",
    "open",
]
