"""`export_tflite`: the interpreter answers as the model does, from a file as small as the codes."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from tests.export.models import MODELS, attention, half_mlp, made, packed, packed_mlp, same, sizes


def runner(path):
    """The signature of a file, to be called with arrays by name."""
    return tf.lite.Interpreter(str(path), num_threads=1).get_signature_runner("serving_default")


@pytest.fixture(scope="module")
def mlp_file(tmp_path_factory):
    """The file of a packed MLP."""
    path = tmp_path_factory.mktemp("mlp") / "m.tflite"
    bcq_tf.export_tflite(made(packed_mlp).model, path)
    return path


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_answers_as_the_model_does(make, tmp_path):
    exported = made(make)
    if make is attention:  # Keras cuts its causal mask in a way that needs a known length
        exported = dataclasses.replace(
            exported, signature=[tf.TensorSpec([None, 7], tf.int32, "ids")]
        )
    bcq_tf.export_tflite(exported.model, tmp_path / "m.tflite", exported.signature)
    serve = runner(tmp_path / "m.tflite")
    assert set(serve.get_input_details()) == set(exported.arrays)
    same(serve(**exported.arrays), exported.expected())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_refused(policy, tmp_path):
    with pytest.raises(ValueError, match=f"`model` must compute in float32 .*: {policy[6:]}"):
        bcq_tf.export_tflite(half_mlp(policy).model, tmp_path / "m.tflite")


def test_any_batch_size(mlp_file):
    exported = made(packed_mlp)
    serve, x = runner(mlp_file), exported.arrays["features"]
    for rows in (1, 5, 2):
        found = serve(features=x[:rows])["output_0"]
        np.testing.assert_allclose(found, exported.expected()["output_0"][:rows], atol=1e-5)


def test_the_file_is_as_small_as_the_codes(tmp_path):
    graph = 20_000  # the table of signs takes 8 of them
    exported, codes = sizes(bcq_tf.export_tflite, tmp_path)
    assert exported < codes + graph


def test_operations_that_need_a_known_length_are_named(tmp_path):
    with pytest.raises(ValueError, match="fixes a length or the .* Received: StridedSlice$"):
        bcq_tf.export_tflite(attention().model, tmp_path / "m.tflite")


def test_recurrent_layers_need_a_known_batch_size(tmp_path):
    x = keras.Input((4, 64), name="x")
    model = packed(keras.Model(x, keras.layers.Dense(70)(keras.layers.SimpleRNN(64)(x))))
    with pytest.raises(ValueError, match="fixes a length or the .* Received: TensorListReserve$"):
        bcq_tf.export_tflite(model, tmp_path / "m.tflite")
    bcq_tf.export_tflite(model, tmp_path / "m.tflite", [tf.TensorSpec([2, 4, 64], name="x")])
    given = np.random.default_rng(0).normal(size=(2, 4, 64)).astype("float32")
    same(runner(tmp_path / "m.tflite")(x=given), {"output_0": model(given).numpy()})


def test_only_built_in_operators_are_used(mlp_file):
    interpreter = tf.lite.Interpreter(
        str(mlp_file),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    kinds = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert {"GATHER", "DEQUANTIZE", "FULLY_CONNECTED"} <= kinds
    assert not any("Flex" in kind or "CUSTOM" in kind for kind in kinds)


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_text("earlier")
    x = keras.Input((32,))
    model = packed(keras.Model(x, keras.ops.erfinv(keras.layers.Dense(70)(x))))
    with pytest.raises(ValueError, match="`model` must use operations .* Received: .*Erfinv"):
        bcq_tf.export_tflite(model, path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
    bcq_tf.export_tflite(packed_mlp().model, path)
    runner(path)
