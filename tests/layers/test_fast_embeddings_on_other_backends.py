"""FastEmbedding and FastMultiEmbedding where Keras does not run on TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OTHER_BACKEND = """
import keras, numpy as np
from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
ids = np.array([[1, 2], [4, 0]])
layer = FastMultiEmbedding([5, 3], [2, 4])
rows = layer(ids)
expected = [np.asarray(layer.table(0))[[1, 4]], np.asarray(layer.table(1))[[2, 0]]]
assert np.array_equal(rows, np.concatenate(expected, 1))
layer = FastEmbedding(90000, 3)
assert np.array_equal(layer(ids), np.asarray(layer.embeddings)[ids])
if keras.backend.backend() == "jax":
    layers = [FastMultiEmbedding([5, 3], [2, 4]), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    before = np.asarray(layers[0](ids))
    model.fit(ids, np.ones([2, 1]), verbose=0)
    assert not np.array_equal(layers[0](ids), before)
"""


@pytest.mark.parametrize(("backend", "needs"), [("jax", "jax"), ("numpy", "scipy")])
def test_another_backend_runs_on_keras_ops(backend, needs):
    pytest.importorskip(needs)
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", OTHER_BACKEND]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
