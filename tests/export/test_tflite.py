"""`export_tflite`: the interpreter answers as the model does, from a file as small as the codes."""

import dataclasses
import functools

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.export.tflite import KERNELS
from tests.export.models import (
    MODELS,
    attention,
    float_mlp,
    half_mlp,
    made,
    packed,
    packed_mlp,
    same,
    sizes,
    subclassed,
)


def interpreter(path, kernels="builtin", threads=1):
    """TensorFlow's, with our operators where the file has them."""
    delegates = []
    if kernels == "bcq":
        delegates = [tf.lite.experimental.load_delegate(bcq_tf.native.litert_library())]
    return tf.lite.Interpreter(str(path), num_threads=threads, experimental_delegates=delegates)


def runner(path, kernels="builtin"):
    """The signature of a file, to be called with arrays by name."""
    return interpreter(path, kernels).get_signature_runner("serving_default")


@pytest.fixture(scope="module")
def mlp_file(tmp_path_factory):
    """The file of a packed MLP."""
    path = tmp_path_factory.mktemp("mlp") / "m.tflite"
    bcq_tf.export_tflite(made(packed_mlp).model, path)
    return path


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_answers_as_the_model_does(make, kernels, tmp_path):
    exported = made(make)
    if make is attention:  # Keras cuts its causal mask in a way that needs a known length
        exported = dataclasses.replace(
            exported, signature=[tf.TensorSpec([None, 7], tf.int32, "ids")]
        )
    bcq_tf.export_tflite(exported.model, tmp_path / "m.tflite", exported.signature, kernels)
    serve = runner(tmp_path / "m.tflite", kernels)
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


@pytest.mark.parametrize("kernels", KERNELS)
def test_the_file_is_as_small_as_the_codes(kernels, tmp_path):
    graph = 20_000  # the table of signs takes 8 of them
    export = functools.partial(bcq_tf.export_tflite, kernels=kernels)
    exported, codes = sizes(export, tmp_path)
    assert exported < codes + graph


def test_codes_that_two_operators_share_are_stored_once(tmp_path):
    ids = keras.Input((3,), dtype="int32", name="ids")
    table = keras_hub.layers.ReversibleEmbedding(3000, 64)
    model = packed(keras.Model(ids, table(table(ids), reverse=True)))
    bcq_tf.export_tflite(model, tmp_path / "m.tflite", kernels="bcq")
    assert (tmp_path / "m.tflite").stat().st_size < 1.5 * 3000 * 64 * 3 / 8
    given = np.array([[1, 2, 2999]], np.int32)
    same(runner(tmp_path / "m.tflite", "bcq")(ids=given), {"output_0": model(given).numpy()})


def test_kernels_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`kernels` must be one of .* Received: kernels='fast'"):
        bcq_tf.export_tflite(made(packed_mlp).model, tmp_path / "m.tflite", kernels="fast")


def operators_of(path, kernels):
    """The names of those that an interpreter runs."""
    made = interpreter(path, kernels)
    made.allocate_tensors()
    return {operator["op_name"] for operator in made._get_ops_details()}


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_our_operators_have_the_precision_of_the_layer(precision, tmp_path):
    model = float_mlp(64)
    codes = bcq_tf.quantize_model(model, bits=3, effort="low").codes
    bcq_tf.pack_model(model, codes, precision=precision)
    bcq_tf.export_tflite(model, tmp_path / "m.tflite", kernels="bcq")
    wanted = {"exact": "BcqProduct", "fast": "BcqProductFast"}[precision]
    assert wanted in operators_of(tmp_path / "m.tflite", "bcq")
    x = np.random.default_rng(0).normal(size=(1, 64)).astype("float32")
    found = runner(tmp_path / "m.tflite", "bcq")(features=x)["output_0"]
    np.testing.assert_array_equal(found, model(x))  # the bits of the layer's own


@pytest.mark.parametrize("kernels", KERNELS)
def test_threads_change_no_bit(kernels, tmp_path):
    model = packed(float_mlp(1024))
    bcq_tf.export_tflite(model, tmp_path / "m.tflite", kernels=kernels)
    x = np.random.default_rng(0).normal(size=(3, 1024)).astype("float32")
    found = [
        interpreter(tmp_path / "m.tflite", kernels, threads).get_signature_runner(
            "serving_default"
        )(features=x)["output_0"]
        for threads in (1, 4)
    ]
    np.testing.assert_array_equal(*found)


def test_without_the_library_our_operators_are_named(tmp_path):
    bcq_tf.export_tflite(made(packed_mlp).model, tmp_path / "m.tflite", kernels="bcq")
    with pytest.raises(RuntimeError, match="unresolved custom op: BcqProduct"):
        interpreter(tmp_path / "m.tflite").allocate_tensors()


def test_an_id_that_is_no_row_is_an_error(tmp_path):
    exported = made(subclassed)
    bcq_tf.export_tflite(exported.model, tmp_path / "m.tflite", exported.signature, kernels="bcq")
    serve = runner(tmp_path / "m.tflite", "bcq")
    with pytest.raises(RuntimeError, match="BcqRows: an id is no row of its codes"):
        serve(ids=np.full((1, 2), 40, np.int32))


def test_an_option_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the one option is `threads`, from 1 to 1024"):
        tf.lite.experimental.load_delegate(bcq_tf.native.litert_library(), {"speed": "3"})


def test_the_library_is_not_there_without_the_compiled_ones(monkeypatch):
    monkeypatch.setenv("BCQ_TF_NATIVE", "0")
    with pytest.raises(bcq_tf.native.NativeLibraryError, match="BCQ_TF_NATIVE not to be 0"):
        bcq_tf.native.litert_library()
    monkeypatch.setenv("BCQ_TF_NATIVE", "auto")
    monkeypatch.setattr(bcq_tf.native, "FOLDER", bcq_tf.native.FOLDER / "none")
    with pytest.raises(bcq_tf.native.NativeLibraryError, match="libbcq_litert.so is missing"):
        bcq_tf.native.litert_library()


def test_operations_that_need_a_known_length_are_named(tmp_path):
    with pytest.raises(ValueError, match="fixes a length or the .* Received: StridedSlice$"):
        bcq_tf.export_tflite(attention().model, tmp_path / "m.tflite")


@pytest.mark.parametrize("kernels", KERNELS)
def test_recurrent_layers_need_a_known_batch_size(kernels, tmp_path):
    x = keras.Input((4, 64), name="x")
    model = packed(keras.Model(x, keras.layers.Dense(70)(keras.layers.SimpleRNN(64)(x))))
    with pytest.raises(ValueError, match="fixes a length or the .* Received: .*TensorListReserve"):
        bcq_tf.export_tflite(model, tmp_path / "m.tflite", kernels=kernels)
    signature = [tf.TensorSpec([2, 4, 64], name="x")]
    bcq_tf.export_tflite(model, tmp_path / "m.tflite", signature, kernels)
    given = np.random.default_rng(0).normal(size=(2, 4, 64)).astype("float32")
    found = runner(tmp_path / "m.tflite", kernels)(x=given)
    same(found, {"output_0": model(given).numpy()})


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
