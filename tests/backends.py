"""Tests of one backend of Keras alone."""

import keras
import pytest


def only_on(backend: str):
    """Skips a test where Keras runs on another backend."""
    return pytest.mark.skipif(
        keras.backend.backend() != backend, reason=f"of Keras on {backend} alone"
    )
