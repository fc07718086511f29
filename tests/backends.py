"""Tests of one backend of Keras alone, and tests that hold on JAX too."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest


def only_on(backend: str):
    """Skips a test where Keras runs on another backend."""
    return pytest.mark.skipif(
        keras.backend.backend() != backend, reason=f"of Keras on {backend} alone"
    )


def assert_passes_on_jax(*names: str) -> None:
    """Runs files of this folder in a process in which Keras runs on JAX."""
    pytest.importorskip("jax")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{name}.py" for name in names)],
        cwd=Path(__file__).parents[1],
        # What is compiled runs for milliseconds: optimizing it takes longer.
        env=environment | {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d{2,} passed", done.stdout), done.stdout[-500:]
