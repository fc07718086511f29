"""After a solve: what is not signs, trained until the outputs are those of the floats."""

from __future__ import annotations

import keras


def check_backend() -> None:
    """Raises ValueError unless Keras runs on TensorFlow."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`tune` needs the TensorFlow backend of Keras. Received: {keras.backend.backend()!r}"
        )
