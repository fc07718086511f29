"""Training on the JAX backend: the tests of the callback and of latent training, run there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .backends import only_on

FILES = [f"tests/test_{name}.py" for name in ("callback", "latent", "latent_on_jax", "schedule")]


@only_on("tensorflow")
def test_training_on_jax():
    pytest.importorskip("jax")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", *FILES],
        cwd=Path(__file__).parents[1],
        env=environment | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d{2,} passed", done.stdout), done.stdout[-500:]
