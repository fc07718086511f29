"""`scopes`: rules for the weights of some kinds of layers, in any model."""

import keras
import numpy as np
import pytest
from keras import layers

import bcq_tf
from bcq_tf.config import BCQConfig


class LocalAttention(layers.Layer):
    """Attention of a user's own: any name that says so."""

    def __init__(self):
        super().__init__()
        self.mix = layers.Dense(64, name="mix")

    def build(self, input_shape):
        if not self.mix.built:
            self.mix.build(input_shape)

    def call(self, inputs):
        return self.mix(inputs)


@pytest.fixture(scope="module")
def model():
    """One layer of each kind."""
    tokens = keras.Input((12,), dtype="int32")
    x = layers.ReversibleEmbedding(100, 64, name="table")
    hidden = x(tokens)
    hidden = layers.MultiHeadAttention(2, 32, name="attend")(hidden, hidden)
    hidden = LocalAttention()(hidden)
    hidden = layers.Conv1D(64, 3, name="conv")(hidden)
    hidden = layers.Bidirectional(layers.LSTM(32, return_sequences=True), name="both")(hidden)
    hidden = layers.EinsumDense("abc,cd->abd", (None, 64), name="einsum")(hidden)
    return keras.Model(tokens, x(layers.Dense(64, name="dense")(hidden), reverse=True))


def chosen(model, scope):
    """The layers' names of what is quantized."""
    weights = bcq_tf.select(model, rules=bcq_tf.scopes(model, scope)).chosen
    return {weight.path.split("/")[0] for weight in weights}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("attention", {"attend", "local_attention"}),
        ("linear", {"attend", "local_attention", "einsum", "dense"}),
        ("embedding", {"table"}),
        ("convolution", {"conv"}),
        ("recurrent", {"both"}),
        ("attention+embedding", {"attend", "local_attention", "table"}),
        ("convolution+recurrent+convolution", {"conv", "both"}),
        ("all", {"attend", "local_attention", "conv", "both", "einsum", "dense", "table"}),
        ("all+linear", {"attend", "local_attention", "conv", "both", "einsum", "dense", "table"}),
    ],
)
def test_what_is_in_scope(model, scope, expected):
    assert chosen(model, scope) == expected


def test_every_weight_of_a_scope_is_in_it(model):
    inside = bcq_tf.select(model, rules=bcq_tf.scopes(model, "attention")).chosen
    everything = bcq_tf.select(model).chosen
    assert [w.path for w in inside] == [
        w.path for w in everything if w.path.split("/")[0] in ("attend", "local_attention")
    ]
    assert len(inside) == 5


def test_rules_before_those_of_a_scope_win(model):
    rules = [("attend/query*", None), ("attend/key*", 4), *bcq_tf.scopes(model, "attention")]
    bits = {w.path: w.config.bits for w in bcq_tf.select(model, BCQConfig(2), rules).chosen}
    assert bits == {"attend/key/kernel": 4} | dict.fromkeys(
        ("attend/value/kernel", "attend/attention_output/kernel", "local_attention/mix/kernel"), 2
    )


def test_rules_are_of_their_model_whatever_its_weights_are_called():
    tokens = keras.Input((9,))
    odd = keras.Model(
        tokens, layers.Dense(32, name="a")(layers.Embedding(40, 32, name="a[*]?")(tokens))
    )
    assert chosen(odd, "embedding") == {"a[*]?"}
    assert chosen(odd, "linear") == {"a"}


@pytest.mark.parametrize("embedding_first", [True, False])
def test_weights_with_one_path(embedding_first):
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            dense = layers.Dense(64, name="twin", use_bias=False)
            table = layers.Embedding(50, 64, name="twin")
            self.parts = [table, dense] if embedding_first else [dense, table]
            self.table, self.dense = table, dense

        def call(self, tokens):
            return self.dense(self.table(tokens))

    model = Twins()
    model(np.zeros((1, 3), "int32"))
    for variable in model.weights:
        variable._path = "twin/values"  # as in two submodels of one name
    config = BCQConfig(1)
    for scope, layer in (("linear", model.dense), ("embedding", model.table)):
        plan = bcq_tf.select(model, config, bcq_tf.scopes(model, scope, config))
        assert [id(w.variable) for w in plan.chosen] == [id(layer.weights[0])]
        assert plan.chosen[0].config == config


def test_a_shared_weight_is_in_the_scopes_of_all_that_share_it():
    inputs, dense = keras.Input((64,)), layers.Dense(64)
    attention = LocalAttention()
    attention.mix = dense
    model = keras.Model(inputs, attention(dense(inputs)))
    assert len(bcq_tf.select(model, rules=bcq_tf.scopes(model, "attention")).chosen) == 1


@pytest.mark.parametrize(
    ("scope", "error", "message"),
    [
        ("attentions", ValueError, "Received: scope='attentions'"),
        ("", ValueError, "Received: scope=''"),
        ("linear+", ValueError, "Received: scope='linear\\+'"),
        (None, TypeError, "`scope` must be a string. Received: scope=None"),
        ("recurrent", ValueError, "which are of \\['linear'\\]. Received: scope='recurrent'"),
    ],
)
def test_scopes_that_are_refused(scope, error, message):
    model = keras.Sequential([keras.Input((32,)), layers.Dense(32)])
    with pytest.raises(error, match=message):
        bcq_tf.scopes(model, scope)
