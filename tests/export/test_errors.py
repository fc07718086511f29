"""What cannot be exported, in every format."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.export.tracing import PackedFunction
from tests.export.models import Classifier, float_mlp, packed, packed_mlp, token_ids

EXPORTS = [bcq_tf.export_saved_model, bcq_tf.export_onnx, bcq_tf.export_tflite]
pytestmark = pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)


def double():
    wide = keras.layers.Dense(64, dtype="float64")
    return keras.Sequential([keras.Input((32,)), wide, keras.layers.Dense(1)])


def test_a_model_of_which_nothing_can_be_packed_is_told_so(export, tmp_path):
    path = tmp_path / "model.bcq.npy"
    bcq_tf.quantize_model(double(), bits=2, filepath=path)
    model = bcq_tf.load_model(path)
    with pytest.raises(ValueError, match="none has a packed form that is smaller") as raised:
        export(model, tmp_path / "exported")
    assert "`model.export` writes float ones. Received: 'sequential" in str(raised.value)
    assert "(Dense)" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert os.listdir(tmp_path) == ["model.bcq.npy"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "model.keras", TypeError, "`model` must be a Keras model. Received: str"),
        (Classifier, ValueError, "`model` must be built. Received: 'classifier'"),
        (float_mlp, ValueError, "`model` must be packed, see `bcq_tf.pack_model`. Received: "),
    ],
    ids=["no model", "not built", "not packed"],
)
def test_models_that_cannot_be_exported(export, make, error, message, tmp_path):
    with pytest.raises(error, match=message) as raised:
        export(make(), tmp_path / "m")
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("signature", [[3], "x", tf.TensorSpec([None, 32])], ids=str)
def test_signatures_of_something_else(export, signature, tmp_path):
    with pytest.raises(TypeError, match="`input_signature` must be a list of keras.InputSpec"):
        export(packed_mlp().model, tmp_path / "m", input_signature=signature)


def test_codes_outside_of_packed_layers_are_not_exported(export, tmp_path):
    codes = bcq_tf.quantize(np.random.default_rng(0).normal(size=(4, 70)), bits=2)

    class Product(keras.layers.Layer):
        def call(self, x):
            from bcq_tf.ops import bcq_matmul

            return bcq_matmul(x, codes)

    x = keras.Input((32,))
    model = packed(keras.Model(x, Product()(keras.layers.Dense(70)(x))))
    with pytest.raises(ValueError, match=r"`model` must keep all its codes in packed layers"):
        export(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_missing_folders_are_made(export, tmp_path):
    export(packed_mlp().model, tmp_path / "some" / "folder" / "m")
    assert os.listdir(tmp_path / "some" / "folder") == ["m"]


def test_a_path_through_a_file_is_said_before_the_model_is_traced(export, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(PackedFunction, "of", None)
    with pytest.raises(NotADirectoryError, match=f"Is no folder: '{tmp_path}/file'"):
        export(packed_mlp().model, tmp_path / "file" / "m")


def test_the_model_is_left_as_it_was(export, tmp_path):
    model = Classifier()
    ids = token_ids(40)
    model(ids)
    packed(model)
    before = model(ids)["label"].numpy(), [variable.path for variable in model.variables]
    export(model, tmp_path / "m", input_signature=[tf.TensorSpec([None, None], tf.int32)])
    after = model(ids)["label"].numpy(), [variable.path for variable in model.variables]
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


def test_inputs_that_keras_has_not_kept_must_be_given(export, tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(70)

        def build(self, input_shape=None):
            self.dense.build((None, 64))
            self.built = True

        def call(self, inputs):
            return self.dense(inputs[0] + inputs[1])

    model = Pair()
    model.build()
    with pytest.raises(ValueError, match=r"`input_signature` must be given .*model 'pair'"):
        export(packed(model), tmp_path / "m")
    pair = (tf.TensorSpec([None, 64]), tf.TensorSpec([None, 64]))
    export(model, tmp_path / "m", input_signature=[pair])
    assert (tmp_path / "m").exists()
