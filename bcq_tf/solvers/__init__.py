"""Float matrix -> `BinaryCodes`: the alternating, greedy and uniform solvers."""

from bcq_tf.solvers.checks import NotFiniteError
from bcq_tf.solvers.error import relative_error
from bcq_tf.solvers.quantization import quantize

__all__ = ["NotFiniteError", "quantize", "relative_error"]
