"""The ops of tables in SavedModels: compiled ones, or none of ours."""

import keras
import numpy as np
import pytest

import bcq_tf
from bcq_tf.embeddings import additive_codes, quantize_uniform
from bcq_tf.layers import CompositionalEmbedding, UniformEmbedding
from bcq_tf.ops import engine

IDS = np.arange(18, dtype="int32").reshape(3, 6)
MATRIX = np.random.default_rng(0).normal(size=(90, 48)).astype("float32")
TABLES = {
    b"BcqUniformRows": lambda: UniformEmbedding.from_codes(quantize_uniform(MATRIX, 4)),
    b"BcqCompositionalRows": lambda: CompositionalEmbedding.from_codes(
        additive_codes(MATRIX, 4, 8)
    ),
}


@pytest.mark.parametrize("op", TABLES)
@pytest.mark.parametrize("portable", [True, False])
def test_only_a_saved_model_that_is_not_portable_has_our_ops(op, portable, tmp_path):
    if not portable and (engine.has_gpu() or not engine.library()):
        pytest.skip("there is a GPU, or nothing is compiled")
    ids = keras.Input((6,), dtype="int32", name="ids")
    model = keras.Model(ids, TABLES[op]()(ids))
    bcq_tf.export_saved_model(model, tmp_path / "m", portable=portable)
    assert (op in (tmp_path / "m" / "saved_model.pb").read_bytes()) == (not portable)
    loaded = bcq_tf.load_saved_model(tmp_path / "m")
    np.testing.assert_allclose(loaded.serve(IDS), model(IDS), atol=1e-5)
