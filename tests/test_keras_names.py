"""The private Keras names that `bcq_tf._keras` uses do what it says."""

import keras
import pytest
from keras import layers

from bcq_tf import _keras


@pytest.fixture
def model():
    """Nested, with a shared layer, wrappers and an attention layer."""
    shared = layers.Dense(8, name="shared")
    inner = keras.Sequential([keras.Input((5, 8)), shared, layers.LayerNormalization()])
    x = keras.Input((5, 8))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(shared(inner(x)))
    y = layers.TimeDistributed(layers.Dense(8))(y)
    return keras.Model(x, layers.MultiHeadAttention(2, 4)(y, y))


def test_sublayers_are_the_direct_ones(model):
    assert [id(layer) for layer in _keras.sublayers(model)] == [id(x) for x in model.layers]


def test_a_walk_meets_every_layer_once(model):
    met = list(_keras.walk_layers(model))
    assert met[0] is model
    assert len({id(layer) for layer in met}) == len(met)
    names = {layer.name for layer in met}
    assert {"shared", "query", "key", "value", "attention_output"} <= names
    assert sum(isinstance(layer, layers.LSTMCell) for layer in met) == 2


def test_a_walk_meets_weights_in_the_order_of_the_model(model):
    innermost = [layer for layer in _keras.walk_layers(model) if not _keras.sublayers(layer)]
    met = {id(variable): None for layer in innermost for variable in layer.weights}
    assert list(met) == [id(variable) for variable in model.weights]


def test_paths_lead_to_every_layer(model):
    found = _keras.layers_by_path(model)
    assert found[""] is model
    assert found["/layers/#1/layers/shared"] is model.get_layer("shared")
    paths = {layer.name: path for path, layer in found.items()}
    assert paths["forward_lstm"] == f"{paths['bidirectional']}/forward_layer"
    inputs = [x for x in _keras.walk_layers(model) if isinstance(x, layers.InputLayer)]
    assert {id(x) for x in (*found.values(), *inputs)} == set(map(id, _keras.walk_layers(model)))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(3), "kernel"),
        (layers.Dense(3), "bias"),
        (layers.EinsumDense("ab,bc->ac", 3), "kernel"),
        (layers.Conv1D(3, 1), "kernel"),
        (layers.Conv2D(3, 1), "kernel"),
        (layers.Conv3D(3, 1), "kernel"),
        (layers.Embedding(2, 3), "embeddings"),
        (layers.ReversibleEmbedding(2, 3, tie_weights=False), "embeddings"),
        (layers.ReversibleEmbedding(2, 3, tie_weights=False), "reverse_embeddings"),
    ],
)
def test_a_weight_is_held_by_its_public_name(layer, name):
    rank = int(type(layer).__name__[4]) if type(layer).__name__.startswith("Conv") else 0
    layer.build((None, *[4] * rank, 2))
    held = _keras.held_variable(layer, name)
    assert any(held is variable for variable in layer.weights)
    assert held.path.endswith(f"/{name}")
    assert _keras.held_variable(layer, "no_such_weight") is None
    _keras.remove_variable(layer, name)
    assert _keras.held_variable(layer, name) is None
    assert not any(held is variable for variable in layer.weights)


@pytest.mark.parametrize("names", [["kernel"], ["bias"], ["kernel", "bias"]])
def test_a_variable_comes_back_where_it_was(names):
    layer = layers.Dense(3)
    layer.build((None, 2))
    facts = [(v.path, v.shape, v.dtype, v.trainable) for v in layer.weights]
    lost = [_keras.remove_variable(layer, name) for name in names]
    assert len(layer.weights) == 2 - len(names)
    for name, each in reversed([*zip(names, lost, strict=True)]):
        made = _keras.restore_variable(layer, each, keras.ops.ones({"kernel": (2, 3)}.get(name, 3)))
        assert _keras.held_variable(layer, name) is made
    assert [(v.path, v.shape, v.dtype, v.trainable) for v in layer.weights] == facts


def test_a_class_is_swapped_and_swapped_back():
    class Own(layers.Dense):
        pass

    class Before:
        pass

    packed = _keras.packed_subclass((Before,), Own, "tests>Packed")
    layer, other = Own(3), layers.Dense(3)
    before = set(vars(layer))
    assert (packed.__name__, _keras.float_class(other)) == ("PackedOwn", layers.Dense)
    _keras.swap_class(layer, packed, ("kept",))
    assert (type(layer), _keras.float_class(layer)) == (packed, Own)
    assert _keras.is_swapped(layer)
    assert not _keras.is_swapped(other)
    with _keras.float_classes([layer]):
        assert type(layer) is Own
    assert type(layer) is packed
    assert _keras.swap_back(layer) == ("kept",)
    assert (type(layer), set(vars(layer))) == (Own, before)
