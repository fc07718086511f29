"""FastEmbedding and FastMultiEmbedding where Keras does not run on TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from bcq_tf.layers import FastEmbedding, FastMultiEmbedding
from tests.backends import only_on

ROOT = Path(__file__).resolve().parents[2]
IDS = np.array([[1, 2], [4, 0]])


def check_rows():
    layer = FastMultiEmbedding([5, 3], [2, 4])
    rows = layer(IDS)
    expected = [np.asarray(layer.table(0))[[1, 4]], np.asarray(layer.table(1))[[2, 0]]]
    np.testing.assert_array_equal(rows, np.concatenate(expected, 1))
    layer = FastEmbedding(90000, 3)
    np.testing.assert_array_equal(layer(IDS), np.asarray(layer.embeddings)[IDS])


@only_on("jax")
def test_they_compute_and_train_on_jax():
    check_rows()
    layer = FastMultiEmbedding([5, 3], [2, 4])
    model = keras.Sequential([layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    before = np.asarray(layer(IDS))
    model.fit(IDS, np.ones([2, 1]), verbose=0)
    assert not np.array_equal(layer(IDS), before)


@only_on("tensorflow")
def test_they_compute_on_numpy():
    pytest.importorskip("scipy")
    code = "import tests.layers.test_fast_embeddings_on_other_backends as t; t.check_rows()"
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
