"""TensorFlow and Keras, imported by the commands that need them, when they do."""

from __future__ import annotations

from bcq_tf.cli.start import starting


def import_frameworks() -> None:
    """Imports TensorFlow, Keras and the packed layers, so that later imports take no time.

    To be called when the arguments have been checked, and before anything else imports them.
    """
    with starting():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        import bcq_tf.layers  # noqa: F401  (models of packed layers are read too)
