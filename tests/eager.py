"""TensorFlow without graphs: to trace and compile a function costs more than to run it a few times.

For tests of what is computed, kept and said. Some of each kind run in graphs all the same.
"""

import contextlib
import warnings

import pytest
import tensorflow as tf

in_steps = pytest.mark.usefixtures("eagerly")


@contextlib.contextmanager
def eagerly():
    """A context in which functions run as they stand."""
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            # Those of tf.data are traced all the same.
            warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_f")
            yield
    finally:
        tf.config.run_functions_eagerly(False)


@contextlib.contextmanager
def graphs():
    """A context within `eagerly` in which functions are traced after all."""
    tf.config.run_functions_eagerly(False)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(True)
