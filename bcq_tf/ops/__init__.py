"""TensorFlow ops on binary codes: products and rows without a float copy of the matrix.

    codes = TiledCodes.from_codes(bcq_tf.quantize(matrix, bits=3))
    y = bcq_matmul(x, codes)            # x [..., C] -> y [..., R], as x @ matrix.T
    rows = bcq_gather(codes, ids)       # ids [...] -> [..., C], as matrix[ids]

They run compiled where `bcq_tf.native` has the library, in plain TensorFlow ops otherwise.
"""

from bcq_tf.codes.layout import Layout
from bcq_tf.ops.binary import bcq_gather, bcq_matmul
from bcq_tf.ops.engine import portable_ops
from bcq_tf.ops.tiled_codes import TiledCodes

__all__ = ["Layout", "TiledCodes", "bcq_gather", "bcq_matmul", "portable_ops"]
