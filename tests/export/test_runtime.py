"""`export_runtime`: NumPy and the compiled core answer as the model does, from the codes."""

import subprocess
import sys
from pathlib import Path

import keras
import keras_hub as hub
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bcq_tf
from tests.export.models import (
    MODELS,
    Classifier,
    float_mlp,
    half_mlp,
    made,
    packed,
    packed_mlp,
    same,
    sizes,
)
from tests.layers.cases import CASES
from tests.runtime.both_ways import BothWays
from transformer.beam_search import beam_search
from transformer.decoding import greedy_decode
from transformer.model import Transformer

ROOT = Path(__file__).parents[2]


def answers(loaded: BothWays, arrays: dict) -> dict:
    """{output: array}, half precision as float32."""
    outputs = loaded(arrays) if len(arrays) > 1 else loaded(*arrays.values())
    outputs = outputs if isinstance(outputs, dict) else {"output_0": outputs}
    return {name: np.asarray(value, "float32") for name, value in outputs.items()}


def exported(model, tmp_path, **settings) -> BothWays:
    path = tmp_path / "run.bcq.npy"
    assert bcq_tf.export_runtime(model, path, **settings) == path.stat().st_size
    return BothWays(path)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_answers_as_the_model_does(make, tmp_path):
    model = made(make)
    loaded = exported(model.model, tmp_path, input_signature=model.signature)
    same(answers(loaded, model.arrays), model.expected())


def stacked(shape, *stack, ids=False):
    """A functional model of layers one after the other, packed, and inputs for it."""
    rng = np.random.default_rng(0)
    x = y = keras.Input(shape, dtype="int32" if ids else "float32")
    for layer in stack:
        y = layer(y)
    model = keras.Model(x, y)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(0.1 + rng.uniform(0, 0.3, variable.shape))
    whole = (3, *(7 if n is None else n for n in shape))
    arrays = rng.integers(1, 50, whole).astype("int32") if ids else rng.normal(size=whole)
    return packed(model), arrays.astype("int32" if ids else "float32")


STACKS = {
    "lstm": lambda: stacked(
        (None,),
        layers.Embedding(60, 32, mask_zero=True),
        layers.Bidirectional(layers.LSTM(40)),
        layers.Dense(33),
        ids=True,
    ),
    "gru": lambda: stacked(
        (9, 32),
        layers.GRU(40, return_sequences=True),
        layers.GRU(32, go_backwards=True),
    ),
    "simple_rnn": lambda: stacked((5, 32), layers.SimpleRNN(40, unroll=True), layers.Dense(33)),
    "conv_lstm": lambda: stacked((4, 6, 6, 8), layers.ConvLSTM2D(4, 3, padding="same")),
    "images": lambda: stacked(
        (15, 13, 8),
        layers.Conv2D(32, 3, padding="same", activation="swish"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2, padding="same"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.ZeroPadding2D(1),
        layers.GlobalAveragePooling2D(),
        layers.Dense(40, activation="softmax"),
    ),
    "normalizations": lambda: stacked(
        (6, 32),
        layers.Dense(64, activation="gelu"),
        layers.LayerNormalization(),
        layers.Dense(64, activation="silu"),
        layers.GroupNormalization(8),
        layers.RMSNormalization(),
        layers.Dense(40, activation="leaky_relu"),
        layers.UnitNormalization(),
        layers.Dense(32, activation="hard_sigmoid"),
    ),
    "dilated": lambda: stacked((9, 8, 16), layers.Conv2D(33, 3, dilation_rate=2)),
    "groups": lambda: stacked(CASES["groups"].shape[1:], CASES["groups"].make()),
    "axis_summed": lambda: stacked((4, 50), CASES["axis_summed_alone"].make()),
}


@pytest.mark.parametrize("name", STACKS)
def test_layers_answer_as_they_do(name, tmp_path):
    model, arrays = STACKS[name]()
    expected = np.asarray(model(arrays, training=False))
    assert np.ptp(expected) > 1e-3
    same({"y": exported(model, tmp_path)(arrays)}, {"y": expected})


def test_attention_of_groups_and_masks(tmp_path):
    x = keras.Input((6, 32))
    mixed = layers.MultiHeadAttention(4, 8)(x, x, use_causal_mask=True)
    y = layers.Dense(40)(layers.Add()([x, layers.GroupQueryAttention(8, 4, 2)(mixed, x)]))
    model = packed(keras.Model(x, y))
    arrays = np.random.default_rng(0).normal(size=(2, 6, 32)).astype("float32")
    same({"y": exported(model, tmp_path)(arrays)}, {"y": np.asarray(model(arrays))})


def test_several_inputs_stand_in_the_order_of_the_model(tmp_path):
    x, z = keras.Input((8,), name="z"), keras.Input((8,), name="a")
    y = layers.Dense(40)(layers.Concatenate()([x, layers.Dense(64)(z)]))
    model = packed(keras.Model([x, z], y))
    arrays = [np.random.default_rng(i).normal(size=(2, 8)).astype("float32") for i in (0, 1)]
    loaded = exported(model, tmp_path)
    expected = np.asarray(model(arrays))
    np.testing.assert_allclose(loaded(*arrays), expected, atol=1e-5)
    np.testing.assert_allclose(loaded(arrays), expected, atol=1e-5)


def test_half_precision_is_computed_in(tmp_path):
    model = half_mlp("mixed_float16")
    same(answers(exported(model.model, tmp_path), model.arrays), model.expected(), tolerance=3e-3)


def test_any_batch_size(tmp_path):
    model = packed_mlp()
    loaded, x = exported(model.model, tmp_path), model.arrays["features"]
    for rows in (0, 1, 5):
        expected = model.expected()["output_0"][:rows]
        np.testing.assert_allclose(loaded(x[:rows]), expected, atol=1e-5)


def test_the_file_is_as_small_as_the_codes(tmp_path):
    def export(model, path):
        bcq_tf.export_runtime(model, f"{path}.bcq.npy")
        Path(f"{path}.bcq.npy").rename(path)

    written, codes = sizes(export, tmp_path)
    assert written < codes + 8_000


@pytest.mark.parametrize("tied", [False, True])
def test_a_translator_with_its_loop(tied, tmp_path):
    model = Transformer(30, 31, 2, 32, 64, 2, 16, tie_embeddings=tied)
    model.build()
    packed(model)
    signature = [tf.TensorSpec([None, None], tf.int32, "source")]
    loaded = exported(
        model,
        tmp_path,
        functions={
            "greedy": (lambda source: greedy_decode(model, source), signature),
            "beam": (lambda source: beam_search(model, source, 3), signature),
        },
    )
    source = np.random.default_rng(0).integers(3, 30, (4, 5)).astype("int32")
    source[1, 3:] = 0
    np.testing.assert_array_equal(loaded.function("greedy")(source), greedy_decode(model, source))
    np.testing.assert_array_equal(loaded.function("beam")(source), beam_search(model, source, 3))


def gpt2():
    backbone = hub.models.GPT2Backbone(60, 2, 4, 32, 64, max_sequence_length=24)
    return hub.models.GPT2CausalLM(backbone, preprocessor=None)


def llama():
    backbone = hub.models.LlamaBackbone(
        vocabulary_size=60,
        num_layers=2,
        num_query_heads=4,
        num_key_value_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
        tie_word_embeddings=True,
    )
    return hub.models.LlamaCausalLM(backbone, preprocessor=None)


@pytest.mark.parametrize("make", [gpt2, llama])
def test_a_language_model_with_its_loop(make, tmp_path):
    task = packed(make())
    task.compile(sampler="greedy")

    def generate(token_ids, padding_mask):
        return task.generate_step({"token_ids": token_ids, "padding_mask": padding_mask}, [1])

    signature = [
        tf.TensorSpec([2, 16], tf.int32, "token_ids"),
        tf.TensorSpec([2, 16], tf.bool, "padding_mask"),
    ]
    loaded = exported(task, tmp_path, functions={"generate": (generate, signature)})
    ids = np.zeros((2, 16), "int32")
    ids[:, :5] = np.random.default_rng(0).integers(2, 60, (2, 5))
    expected = generate(tf.constant(ids), tf.constant(ids > 0))
    for name, value in loaded.function("generate")(ids, ids > 0).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_step_with_caches_as_inputs_and_outputs(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    embedding, dense = layers.Embedding(40, 32), layers.Dense(40)
    model = packed(keras.Model(ids, dense(embedding(ids))))

    def step(token, past):
        past = {"sum": past["sum"] + embedding(token)}
        return dense(past["sum"]), past

    signature = [
        tf.TensorSpec([None], tf.int32),
        {"sum": tf.TensorSpec([None, 32], tf.float32)},
    ]
    run = exported(model, tmp_path, functions={"step": (step, signature)}).function("step")
    past = expected_past = {"sum": np.zeros((2, 32), "float32")}
    for token in ([1, 2], [3, 39]):
        logits, past = run(np.array(token), past)
        expected, expected_past = step(np.array(token), expected_past)
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(past["sum"], expected_past["sum"], atol=1e-5)


def test_assets_come_along(tmp_path):
    loaded = exported(packed_mlp().model, tmp_path, assets={"words.txt": b"a\nb", "none": b""})
    assert loaded.assets == {"words.txt": b"a\nb", "none": b""}


def test_neither_tensorflow_nor_keras_is_needed(tmp_path):
    model = packed_mlp()
    exported(model.model, tmp_path)
    np.save(tmp_path / "x.npy", model.arrays["features"])
    code = """
import sys, numpy as np
for name in ("tensorflow", "keras", "rich", "ml_dtypes", "lazy_loader"):
    sys.modules[name] = None
from bcq_tf import runtime
np.save("y.npy", runtime.load("run.bcq.npy")(np.load("x.npy")))
"""
    path = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=path, cwd=tmp_path, stderr=-1, text=True
    )
    assert not done.returncode, done.stderr
    same({"output_0": np.load(tmp_path / "y.npy")}, model.expected())


def test_bfloat16_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`model` must compute in float32 or float16 .* bfloat16"):
        exported(half_mlp("mixed_bfloat16").model, tmp_path)


def test_an_operation_that_the_runtime_lacks_is_named(tmp_path):
    path = tmp_path / "m.bcq.npy"
    path.write_text("earlier")
    x = keras.Input((32,))
    model = packed(keras.Model(x, keras.ops.erfinv(layers.Dense(70)(x))))
    with pytest.raises(
        ValueError, match="`model` must use operations .* Received: Erfinv "
    ) as raised:
        bcq_tf.export_runtime(model, path)
    assert "\n" not in str(raised.value)
    assert path.read_text() == "earlier"


@pytest.mark.parametrize("kind", ["recurrent", "counter"])
def test_a_model_that_remembers_is_refused(kind, tmp_path):
    x = keras.Input((5, 32), batch_size=2)
    y = layers.LSTM(40, stateful=True)(x) if kind == "recurrent" else Counter()(x)
    model = packed(keras.Model(x, layers.Dense(70)(y)))
    with pytest.raises(
        ValueError, match="`model` must not change its variables when .* Received: "
    ):
        exported(model, tmp_path)
    assert not list(tmp_path.iterdir())


class Counter(keras.layers.Layer):
    """Counts its calls."""

    def build(self, input_shape):
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        return x * self.count


def test_a_function_that_remembers_is_refused(tmp_path):
    model, calls = packed_mlp().model, tf.Variable(0.0)

    def counted(x):
        return model(x) * calls.assign_add(1.0)

    signature = [tf.TensorSpec([None, 32], tf.float32)]
    with pytest.raises(ValueError, match="must not write to variables .* AssignAddVariableOp"):
        exported(model, tmp_path, functions={"counted": (counted, signature)})


def test_dropout_is_no_memory(tmp_path):
    x = keras.Input((32,))
    model = packed(keras.Model(x, layers.Dropout(0.5)(layers.Dense(70)(x))))
    arrays = np.ones((2, 32), "float32")
    same({"y": exported(model, tmp_path)(arrays)}, {"y": np.asarray(model(arrays))})


def test_channels_first_are_refused(tmp_path):
    x = keras.Input((8, 6, 6))
    pooled = layers.MaxPooling2D(2, data_format="channels_first")(x)
    model = packed(keras.Model(x, layers.Dense(70)(layers.Flatten()(pooled))))
    try:
        exported(model, tmp_path)
    except ValueError as error:  # where TensorFlow does not turn them itself
        assert "`model` must have channels last" in str(error)  # noqa: PT017


BAD = {
    "name": ({"path": "model.npy"}, ValueError, "`path` must end with"),
    "functions_no_dict": ({"functions": [1]}, TypeError, "`functions` must be a dict"),
    "no_functions": ({"functions": {}}, TypeError, "`functions` must be a dict"),
    "function_alone": ({"functions": {"f": abs}}, TypeError, "`functions` must be {name: "),
    "function_named_7": ({"functions": {7: (abs, [])}}, TypeError, "`functions` must be {name: "),
    "no_signature": ({"functions": {"f": (abs, [3])}}, TypeError, "`input_signature` must be"),
    "both": (
        {"functions": {"f": (abs, [])}, "input_signature": []},
        ValueError,
        "`input_signature` must be None where `functions` are given",
    ),
    "assets": ({"assets": ["a"]}, TypeError, "`assets` must be a dict"),
    "asset_text": ({"assets": {"a": "b"}}, TypeError, "`assets` must be {name: bytes}"),
    "signature": ({"input_signature": [3]}, TypeError, "`input_signature` must be a list"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_arguments_are_named(name, tmp_path):
    settings, error, message = BAD[name]
    path = tmp_path / settings.get("path", "m.bcq.npy")
    settings = {key: value for key, value in settings.items() if key != "path"}
    with pytest.raises(error, match=message) as raised:
        bcq_tf.export_runtime(packed_mlp().model, path, **settings)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "model.keras", TypeError, "`model` must be a Keras model. Received: str"),
        (Classifier, ValueError, "`model` must be built. Received: 'classifier'"),
        (float_mlp, ValueError, "`model` must be packed, see `bcq_tf.pack_model`. Received: "),
    ],
    ids=["no model", "not built", "not packed"],
)
def test_models_that_cannot_be_exported(make, error, message, tmp_path):
    with pytest.raises(error, match=message):
        exported(make(), tmp_path)
    assert not list(tmp_path.iterdir())
