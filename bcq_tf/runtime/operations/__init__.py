"""What the nodes of a graph compute, in NumPy."""

from bcq_tf.runtime.operations import (  # noqa: F401 (they register what they have)
    arrays,
    elementwise,
    images,
    lists,
    products,
    reductions,
    windows,
)
from bcq_tf.runtime.operations.registry import OPERATIONS, Operation

__all__ = ["OPERATIONS", "Operation"]
