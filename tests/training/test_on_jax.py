"""The callback, latent training and schedules, in a process in which Keras runs on JAX."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends import only_on

FILES = (
    "test_callback.py",
    "test_callback_cut_short.py",
    "test_latent.py",
    "test_latent_on_jax.py",
    "test_latent_written.py",
    "test_optimizers.py",
    "test_schedule.py",
    "test_shown_weights.py",
)
FOLDER = Path(__file__).parent


@only_on("tensorflow")
def test_all_this_holds_on_jax():
    pytest.importorskip("jax")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(str(FOLDER / name) for name in FILES)],
        cwd=FOLDER.parents[1],
        # What is compiled runs for milliseconds: optimizing it takes longer.
        env=environment | {"KERAS_BACKEND": "jax", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert re.search(r"\d{3,} passed", done.stdout), done.stdout[-500:]
