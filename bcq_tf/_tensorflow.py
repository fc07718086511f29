"""The private names of TensorFlow that are used, all of them."""

import tensorflow as tf
from tensorflow.python.eager.tape import variable_accessed
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

merge_call = tf.__internal__.distribute.interim.maybe_merge_call

__all__ = ["function_def_to_graph", "merge_call", "variable_accessed"]
