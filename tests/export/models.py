"""Packed models to export, each with inputs and what it makes of them."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import bcq_tf
from bcq_tf.embeddings import quantize_uniform
from bcq_tf.layers import BCQDense, BCQEmbedding, CompositionalEmbedding, QuantEmbedding
from tests.layers.cases import CASES, inputs
from tests.ops.codes import FORMS, random_codes


@dataclasses.dataclass(frozen=True)
class Exported:
    """A packed model, its inputs by name, and the signature that it needs."""

    model: keras.Model
    arrays: dict[str, np.ndarray]
    signature: list | None = None

    def expected(self) -> dict[str, np.ndarray]:
        """{name of the output: what the model itself answers}, in float32."""
        arrays = self.arrays if len(self.arrays) > 1 else next(iter(self.arrays.values()))
        outputs = self.model(arrays, training=False)
        outputs = outputs if isinstance(outputs, dict) else {"output_0": outputs}
        return {name: np.asarray(tf.cast(value, tf.float32)) for name, value in outputs.items()}


def same(actual: dict, expected: dict, tolerance: float = 1e-5) -> None:
    """Asserts equal names, and values within `tolerance` of the largest of each output."""
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert actual[name].dtype == np.float32
        scale = np.abs(value).max(initial=1)
        np.testing.assert_allclose(
            actual[name], value, rtol=0, atol=tolerance * scale, err_msg=name
        )


def packed(model, **settings):
    """The model, packed in place; 3 bits unless `settings` say otherwise."""
    codes = bcq_tf.quantize_model(model, **({"bits": 3, "effort": "low"} | settings)).codes
    bcq_tf.pack_model(model, codes)
    return model


def float_mlp(width: int = 32):
    """A functional model with two kernels, not packed."""
    x = keras.Input((width,), name="features")
    return keras.Model(x, layers.Dense(4)(layers.Dense(width, activation="relu")(x)))


def packed_mlp(width: int = 32) -> Exported:
    """A functional model."""
    x = np.random.default_rng(0).normal(size=(5, width)).astype("float32")
    return Exported(packed(float_mlp(width)), {"features": x})


def half_mlp(policy: str) -> Exported:
    """`packed_mlp` of a mixed precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return packed_mlp(96)
    finally:
        keras.config.set_dtype_policy(before)


def attention(vocabulary: int = 50) -> Exported:
    """A functional model of an embedding, self-attention and logits."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    embedded = layers.Embedding(vocabulary, 32)(ids)
    mixed = layers.MultiHeadAttention(4, 8)(embedded, embedded, use_causal_mask=True)
    hidden = layers.LayerNormalization()(embedded + mixed)
    model = keras.Model(ids, layers.Dense(vocabulary)(hidden))
    return Exported(packed(model, bits=2, group_size=32), {"ids": token_ids(vocabulary)})


def token_ids(vocabulary: int, shape=(3, 7), seed: int = 0) -> np.ndarray:
    """Random token ids, int32."""
    return np.random.default_rng(seed).integers(0, vocabulary, shape).astype("int32")


class Classifier(keras.Model):
    """A subclassed model: token ids [batch, tokens] -> {"label", "score"}.

    Two of its layers have the same name, and so their weights the same path.
    """

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(40, 32)
        self.hidden = layers.Dense(70, activation="gelu", name="same")
        self.score = layers.Dense(1)
        self.label = layers.Dense(70, name="same")

    def call(self, ids):
        hidden = self.hidden(keras.ops.mean(self.embedding(ids), axis=1))
        return {"label": self.label(hidden), "score": self.score(hidden)}


def subclassed() -> Exported:
    """A subclassed model, which cannot say that it takes integers."""
    model, ids = Classifier(), token_ids(40)
    model(ids)
    return Exported(packed(model), {"ids": ids}, [tf.TensorSpec([None, None], tf.int32, "ids")])


class Shift(keras.layers.Layer):
    """Adds a tensor that it holds, which is no variable."""

    def __init__(self):
        super().__init__()
        self.shift = tf.reshape(tf.range(200.0), [200])

    def call(self, x):
        """x [batch, 200] -> the same shape."""
        return x + self.shift


def held_tensor() -> Exported:
    """A functional model with a constant tensor among its layers."""
    x = keras.Input((64,), name="x")
    model = packed(keras.Model(x, Shift()(layers.Dense(200)(x))))
    return Exported(model, {"x": np.random.default_rng(0).normal(size=(3, 64)).astype("float32")})


def every_layer() -> Exported:
    """One packed layer of each kind, beside one another, an input for each."""
    # Grouped convolutions are none of tf2onnx, this sum none of TensorFlow Lite, as floats too.
    lacking = "groups", "axis_summed_alone"
    cases = {name: case for name, case in CASES.items() if name not in lacking}
    arrays = {f"to_{name}": inputs(case) for name, case in cases.items()}
    ends = {
        name: keras.Input(array.shape[1:], dtype=str(array.dtype), name=name)
        for name, array in arrays.items()
    }
    outputs = {name: case.make()(ends[f"to_{name}"]) for name, case in cases.items()}
    model = keras.Model(ends, outputs)
    return Exported(packed(model), arrays)


def every_form() -> Exported:
    """Codes of every form that makes other graphs, `test_unpacking` has more of them.

    Output "NAME" is a product with them, "NAME_rows" some of their rows.
    """
    x, ids = keras.Input((150,), name="x"), keras.Input((), dtype="int32", name="ids")
    outputs = {}
    names = "plain", "one_weight", "whole_tiles", "short_last_group", "half_scales", "ragged_groups"
    for seed, name in enumerate(names):
        codes = random_codes(seed, **FORMS[name])
        rows, columns = codes.shape
        outputs[name] = BCQDense.from_codes(codes)(x[:, :columns])
        outputs[f"{name}_rows"] = BCQEmbedding.from_codes(codes)(keras.ops.mod(ids * 17, rows))
    arrays = {
        "x": np.random.default_rng(0).normal(size=(4, 150)).astype("float32"),
        "ids": np.arange(4, dtype="int32"),
    }
    return Exported(keras.Model({"x": x, "ids": ids}, outputs), arrays)


def every_table() -> Exported:
    """A table of words in every way in which a layer keeps it, one output each."""
    table = np.random.default_rng(0).normal(size=(90, 33)).astype("float32")
    table[[0, 7, 64]] = 0
    tables = {f"bits{bits}": QuantEmbedding(90, 33, bits, weights=table) for bits in (1, 3, 8)}
    tables |= {
        "plain": QuantEmbedding.from_codes(quantize_uniform(table[1:7], 3)),
        "half": QuantEmbedding(90, 33, 16, weights=table),
        "single": QuantEmbedding(90, 33, 32, weights=table),
        "binary": QuantEmbedding(90, 33, 2, weights=table, method="binary"),
    }
    for M, K, dtype in ((4, 16, "float32"), (3, 5, "float16"), (1, 300, "float32")):
        rng = np.random.default_rng(K)
        codebooks = rng.normal(size=(M, K, 33)).astype(dtype)
        codes = bcq_tf.CompositionalCodes.of(rng.integers(0, K, (90, M)), codebooks)
        tables[f"sums{K}"] = CompositionalEmbedding.from_codes(codes)
    ids = keras.Input((7,), dtype="int32", name="ids")
    outputs = {name: layer(keras.ops.mod(ids, layer.input_dim)) for name, layer in tables.items()}
    return Exported(keras.Model(ids, outputs), {"ids": np.arange(91, dtype="int32").reshape(13, 7)})


MODELS = [packed_mlp, attention, subclassed, held_tensor, every_layer, every_form, every_table]


@functools.cache
def made(make) -> Exported:
    """One of `MODELS`, made once, for tests that leave it as it is."""
    return make()


def sizes(export, folder) -> tuple[int, int]:
    """Bytes of the file that `export` writes of a packed MLP, and of its `.bcq.npy` file."""
    model, codes, exported = float_mlp(512), folder / "m.bcq.npy", folder / "exported"
    bcq_tf.quantize_model(model, bits=2, effort="low", filepath=codes)
    bcq_tf.pack_model(model, codes)
    export(model, exported)
    return exported.stat().st_size, codes.stat().st_size
