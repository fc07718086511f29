"""Files of packed models are those of the model as it is, or are not written."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import quantize_embed
from bcq_tf.layers import BCQDense, UniformEmbedding
from bcq_tf.layers.packed_model import PackedModel
from tests.models.packed_models import IDS, MODELS

ROWS = 90


def classifier(table=None, name=None):
    """A functional model of a table, a hidden layer and an output."""
    x = keras.Input((6,), dtype="int32")
    h = L.Dense(64, "relu", name="hidden")(L.Flatten()((table or L.Embedding(ROWS, 48))(x)))
    return keras.Model(x, L.Dense(3, name="output")(L.Dropout(0.5, name="drop")(h)), name=name)


def pack_products(model):
    bcq_tf.pack_model(model, bcq_tf.quantize_model(model, 2, effort="low").codes)


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(IDS), model(IDS))
    return again


# What was done to the model after packing


@pytest.mark.parametrize("kind", ["keras", "bcq"])
def test_settings_of_layers_are_the_present_ones(kind, tmp_path):
    model = classifier()
    quantize_embed(model, 4)
    model.get_layer("hidden").trainable = False
    model.get_layer("drop").rate = 0.1
    if kind == "keras":
        again = reloaded(model, tmp_path)
    else:
        bcq_tf.quantize_model(model, 2, effort="low", filepath=tmp_path / "m.bcq.npy")
        again = bcq_tf.load_model(tmp_path / "m.bcq.npy", packed=False)
    assert not again.get_layer("hidden").trainable
    assert again.get_layer("drop").rate == 0.1


@pytest.mark.parametrize(
    "head", [{"units": 3, "activation": "softmax"}, {"units": 7}], ids=["softmax", "7 units"]
)
def test_another_head(head, tmp_path):
    layers = [L.Embedding(ROWS, 48), L.Flatten(), L.Dense(64, "relu"), L.Dense(3)]
    model = keras.Sequential([keras.Input((6,), dtype="int32"), *layers])
    quantize_embed(model, 4)
    model.pop()
    model.add(L.Dense(**head))
    assert isinstance(reloaded(model, tmp_path), PackedModel)


def test_an_inner_model_that_was_unpacked(tmp_path):
    inner = classifier()
    quantize_embed(inner, 4)
    x = keras.Input((6,), dtype="int32")
    outer = keras.Model(x, L.Dense(66, name="last")(inner(x)))
    pack_products(outer)
    bcq_tf.unpack_model(inner)
    again = reloaded(outer, tmp_path)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in outer.layers]


def test_a_table_that_was_unpacked_with_another_model(tmp_path):
    table = L.Embedding(ROWS, 48)
    first, second = classifier(table), classifier(table)
    quantize_embed(first, 4)
    pack_products(second)
    bcq_tf.unpack_model(first)
    again = reloaded(second, tmp_path)
    assert isinstance(again.get_layer("hidden"), BCQDense)
    assert type(again.get_layer(table.name)) is L.Embedding


def test_an_order_of_layers_that_is_not_that_of_their_making(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Stack(keras.Model):
        def __init__(self, swapped=False, **kwargs):
            super().__init__(**kwargs)
            self.flat, self.table = L.Flatten(), L.Embedding(ROWS, 8)
            self.blocks = [L.Dense(48), L.Dense(48)]
            if swapped:
                self.blocks.append(self.blocks.pop(0))

        def build(self, shape=None):
            self.table.build()
            for block in self.blocks:
                block.build((None, 48))
            self.built = True

        def call(self, ids):
            return self.blocks[1](self.blocks[0](self.flat(self.table(ids))))

        def get_config(self):
            return {"name": self.name}

    model = Stack(swapped=True)
    model.build()
    codes = [
        bcq_tf.quantize(block.kernel.numpy().T, bits)
        for block, bits in zip(model.blocks, (2, 3), strict=True)
    ]
    first, second = (block.kernel.path for block in model.blocks)
    bcq_tf.pack_model(model, {first: codes[0], second: codes[1]})
    reloaded(model, tmp_path)


def test_a_weight_that_two_layers_share_is_one_in_the_loaded_model(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Twice(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first, self.second = L.Embedding(ROWS, 48), L.Embedding(ROWS, 48)

        def build(self, shape=None):
            self.first.build()
            self.second.build()
            self.second._untrack_variable(self.second._embeddings)
            with bcq_tf._keras.unlocked(self.second):
                self.second._embeddings = self.first._embeddings
            self.built = True

        def call(self, ids):
            return self.first(ids) + self.second(ids)

        def get_config(self):
            return {"name": self.name}

    model = Twice()
    model.build()
    quantize_embed(model, 4)
    again = reloaded(model, tmp_path)
    assert again.first.embeddings_packed is again.second.embeddings_packed


# Models that share, hold or are clones of packed layers


@keras.saving.register_keras_serializable(package="tests")
class Words(L.Embedding):
    """Changes nothing that matters."""


@pytest.mark.parametrize("kind", [L.Embedding, Words])
def test_a_float_model_with_a_layer_that_was_packed_in_another(kind, tmp_path):
    table = kind(ROWS, 48)
    packed, other = classifier(table), classifier(table)
    quantize_embed(packed, 4)
    for model in (packed, other):
        again = reloaded(model, tmp_path)
        assert isinstance(again.layers[1], UniformEmbedding)
        assert isinstance(again.layers[1], kind)
        assert isinstance(again, PackedModel) == (model is packed)
    again = reloaded(reloaded(other, tmp_path), tmp_path)
    assert isinstance(again.layers[1], UniformEmbedding)


@pytest.mark.parametrize("name", ["mlp", "sequential", "nested", "tied"])
def test_clones_of_packed_models(name, tmp_path):
    build, x = MODELS[name]
    model = build()
    pack_products(model)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(x), model(x))
    clone.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(x), model(x))


def test_a_clone_is_quantized_as_the_model_is(tmp_path):
    model = classifier(Words(ROWS, 48))
    quantize_embed(model, 4)
    clone = keras.models.clone_model(model)
    assert type(clone) is not type(model)
    bcq_tf.quantize_model(clone, 2, effort="low", filepath=tmp_path / "m.bcq.npy")
    np.testing.assert_array_equal(
        bcq_tf.load_model(tmp_path / "m.bcq.npy", packed=False)(IDS), clone(IDS)
    )
    with pytest.raises(ValueError, match=r"`model` must be packed, .*was made as a packed one$"):
        bcq_tf.unpack_model(clone)


@pytest.mark.parametrize("name", ["mlp", "sequential", "nested", "attention", "tied"])
def test_the_config_makes_a_model_that_is_packed_alike(name):
    build, x = MODELS[name]
    model = build()
    pack_products(model)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(x), model(x))
    bcq_tf.unpack_model(again)
    assert type(again) is type(build())


# What is refused


def refused(model, tmp_path, message):
    with pytest.raises(ValueError, match=message) as raised:
        model.save(tmp_path / "model.keras")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "model.keras").exists()


def test_a_layer_that_two_models_hold_is_named(tmp_path):
    table = L.Embedding(ROWS, 48, name="words")
    x, y = keras.Input((6,), dtype="int32"), keras.Input((6,), dtype="int32")
    h = L.Concatenate()([classifier(table, "inner")(x), L.Flatten()(table(y))])
    outer = keras.Model([x, y], L.Dense(3)(h), name="outer")
    quantize_embed(outer, 4)
    refused(outer, tmp_path, "hold layer 'words' in one of 'outer', 'inner'")


@pytest.mark.parametrize("builds", [True, False])
def test_a_config_that_makes_other_layers(builds, tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Forgetful(keras.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.table, self.flat, self.head = L.Embedding(ROWS, 48), L.Flatten(), L.Dense(units)

        def build(self, shape=None):
            if builds:
                self.table.build()
                self.head.build((None, 6 * 48))
            self.built = True

        def call(self, ids):
            return self.head(self.flat(self.table(ids)))

        def get_config(self):
            return {"name": self.name}

    model = Forgetful(7)
    model(IDS)
    quantize_embed(model, 4)
    refused(model, tmp_path, "give its class a `get_config` and a `build` that make its layers, or")
    bcq_tf.quantize_model(model, 2, {"*": 2}, effort="low", filepath=tmp_path / "m.bcq.npy")
    with pytest.raises(ValueError, match=r"has no Keras config \(none makes its model\)"):
        bcq_tf.load_model(tmp_path / "m.bcq.npy")
