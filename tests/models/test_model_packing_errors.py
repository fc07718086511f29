"""Bad input to `pack_model` and `unpack_model`: the model stays as it is."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.layers import BCQDense
from tests.models.packed_models import quantized
from tests.small_models import mlp


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


def refused(model, codes, message, error=ValueError, **settings):
    before, kinds = model.get_weights(), [type(layer) for layer in model.layers]
    with pytest.raises(error, match=message):
        bcq_tf.pack_model(model, codes, **settings)
    assert [type(layer) for layer in model.layers] == kinds
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_packing_twice(path):
    model = quantized(mlp, path)
    bcq_tf.pack_model(model, path)
    refused(model, path, "must not have packed layers other than embeddings: .*unpack_model")


def test_a_file_of_another_model_lists_three_differences(path):
    quantized(lambda: mlp(hidden=48, outputs=6), path)
    message = (
        r"weight 0 is \[32, 40\] \('hidden/kernel'\), in the file \[32, 48\] .*"
        r"weight 1 is \[40\].*; weight 2 is \[40, 4\].*; and 1 more$"
    )
    refused(mlp(), path, message)


def test_a_file_of_other_weights(path):
    quantized(lambda: keras.Sequential([keras.Input((32,)), L.Dense(40)]), path)
    refused(mlp(), path, r"it has 4 weights, the file 2: 'output/kernel', 'output/bias'")
    quantized(mlp, path)
    one = keras.Sequential([keras.Input((32,)), L.Dense(40)])
    refused(one, path, r"it has 2 weights, the file 4: 'output/kernel', 'output/bias'")


def test_a_file_whose_weights_have_other_names(path):
    quantized(lambda: keras.Sequential([keras.Input((5,)), L.Embedding(90, 48)]), path)
    other = keras.Sequential([keras.Input((90,)), L.Dense(48, use_bias=False)])
    refused(other, path, r"\('.*/kernel'\), in the file \[90, 48\] \('.*/embeddings'\)")


def test_a_model_that_is_not_built(path):
    quantized(mlp, path)
    with pytest.raises(ValueError, match="`model` must be built"):
        bcq_tf.pack_model(keras.Sequential([L.Dense(3)]), path)
    with pytest.raises(TypeError, match="`model` must be a Keras model"):
        bcq_tf.pack_model("model", path)


def test_other_bad_arguments(path, tmp_path):
    quantized(mlp, path)
    codes = bcq_tf.quantize_model(mlp(), effort="low").codes
    refused(mlp(), path, "`precision` must be one of", precision="low")
    refused(mlp(), {}, "`codes` must be named by paths")
    refused(mlp(), {"nowhere": codes["hidden/kernel"]}, r"Received: \['nowhere'\]")
    refused(mlp(), {"hidden/kernel": 3}, "or UniformCodes. Received: int", TypeError)
    refused(mlp(), {"output/kernel": codes["hidden/kernel"]}, r"the weight, \[4, 40\]")
    refused(mlp(), {"hidden/bias": codes["hidden/kernel"]}, "the weight, bias")
    refused(mlp(), tmp_path / "none.bcq.npy", "none", FileNotFoundError)
    bcq_tf.save(tmp_path / "loose.bcq.npy", {"a": np.zeros(3)})
    refused(mlp(), tmp_path / "loose.bcq.npy", "loose", bcq_tf.FileFormatError)


def test_unpacking_a_float_model():
    with pytest.raises(ValueError, match="`model` must be packed"):
        bcq_tf.unpack_model(mlp())


def test_a_product_that_was_packed_by_hand():
    codes = bcq_tf.quantize(np.random.default_rng(0).normal(size=(48, 32)), effort="low")
    model = keras.Sequential([keras.Input((32,)), BCQDense.from_codes(codes, name="by_hand")])
    refused(model, {"a": None}, "must not have packed layers other .*layer 'by_hand'")
