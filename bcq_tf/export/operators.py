"""The ops on codes as custom operators of LiteRT, which native/litert implements.

Each becomes a function that TensorFlow Lite's converter takes for one operator, since it is said to
implement it (its "operation fusion"). What the function computes itself is never run.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from bcq_tf.export.unpacking import dimensions, parts_among
from bcq_tf.files import file
from bcq_tf.ops import TiledCodes, binary
from bcq_tf.ops.engine import using

PRODUCTS = {"exact": "BcqProduct", "fast": "BcqProductFast"}
ROWS = "BcqRows"
NAMES = frozenset({*PRODUCTS.values(), ROWS})


class Operators:
    """The ops on binary codes as these operators, in float32.

    Args:
        parts: {tiles.ref(): what `parts_of` returns}.
    """

    def __init__(self, parts: dict):
        self._known = parts

    @staticmethod
    def parts_of(codes: TiledCodes) -> dict[str, np.ndarray]:
        """{"file": uint8, the bytes of a file of ours with the codes as its one weight}."""
        encoded = file.encode({"codes": codes.to_codes()})
        return {"file": np.frombuffer(encoded, np.uint8)}

    def used(self):
        """Within this context these ops run."""
        return using({binary.product: self.product, binary.gather: self.gather})

    def product(self, x, codes: TiledCodes, precision: str = "exact"):
        """x [..., C] -> x W^T [..., R]."""
        operator = _operator(PRODUCTS[precision], codes.layout.rows, 1)
        return tf.cast(operator(tf.cast(x, tf.float32), self._bytes(codes)), x.dtype)

    def gather(self, ids, codes: TiledCodes, dtype: tf.DType):
        """ids [...] -> rows of W [..., C]; an id that is no row is an error of the runtime."""
        operator = _operator(ROWS, codes.layout.columns, 0)
        return tf.cast(operator(ids, self._bytes(codes)), dtype)

    def _bytes(self, codes: TiledCodes):
        # A constant where it is used: operators in loops take no other.
        return tf.constant(parts_among(self._known, codes)["file"])


@functools.cache
def _operator(name: str, last: int, dropped: int):
    # (tensor [...], codes) -> float32 [..., last], without so many of the tensor's last axes.
    implements = f'name: "{name}" attr {{ key: "tfl_fusable_op" value {{ b: true }} }}'

    @tf.function(autograph=False, experimental_implements=implements)
    def stand_in(tensor, codes):
        shape = dimensions(tensor)
        shape = [*shape[: len(shape) - dropped], last]
        return tf.zeros(shape) + tf.cast(codes[0], tf.float32)

    return stand_in
