"""The private names of TensorFlow that are used, all of them."""

import tensorflow as tf
from tensorflow.python.eager.tape import variable_accessed

merge_call = tf.__internal__.distribute.interim.maybe_merge_call

__all__ = ["merge_call", "variable_accessed"]
