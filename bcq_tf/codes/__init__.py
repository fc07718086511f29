"""Code values, how a weight is seen as their matrix, and their bit orders: NumPy alone."""

from bcq_tf.codes.binary import BinaryCodes
from bcq_tf.codes.coded_matrix import CodedMatrix
from bcq_tf.codes.compositional import CompositionalCodes
from bcq_tf.codes.matrix_view import MatrixView
from bcq_tf.codes.uniform import UniformCodes

__all__ = ["BinaryCodes", "CodedMatrix", "CompositionalCodes", "MatrixView", "UniformCodes"]
