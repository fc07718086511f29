"""Which weight of a file goes to which weight of a model: by place, not by number or luck."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf._keras import weight_places
from tests.small_models import mlp

X = np.random.default_rng(0).normal(size=(3, 32)).astype("float32")


def heads(first, second, names=True):
    """A functional model with two outputs of equal shape, called so or named by Keras."""
    x = keras.Input((32,))
    made = {name: L.Dense(40, name=name if names else None) for name in ("mean", "spread")}
    return keras.Model(x, [made[first](x), made[second](x)])


class Attention(keras.Model):
    """A subclass whose layers have no names, made in the one order or the other."""

    def __init__(self, *order):
        super().__init__()
        for name in order:
            setattr(self, name, L.Dense(32))

    def call(self, x):
        return self.query(x) - 2 * self.key(x)


class Scaled(L.Layer):
    """Weights without a name, one of them in a list."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.gains = []

    def build(self, shape):
        self.shift = self.add_weight(shape=(32,), initializer="uniform")
        self.gains.append(self.add_weight(shape=(32,), initializer="uniform"))

    def call(self, x):
        return x * self.gains[0] + self.shift


def attention(*order):
    model = Attention(*order)
    model(X)
    return model


def unnamed():
    return keras.Sequential([keras.Input((32,)), Scaled(), L.Dense(40)])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bcq.npy"


def quantized(model, path):
    bcq_tf.quantize_model(model, 3, effort="low", filepath=path)
    return model


PUTS = [bcq_tf.load_weights, bcq_tf.pack_model]


@pytest.mark.parametrize("put", PUTS)
def test_named_outputs_in_another_order(put, path):
    mean, spread = quantized(heads("mean", "spread"), path)(X)
    other = heads("spread", "mean")
    put(other, path)
    found = other(X)
    np.testing.assert_allclose(found[0], spread, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("put", PUTS)
def test_outputs_that_keras_named_go_by_their_order(put, path):
    first, second = quantized(heads("mean", "spread", names=False), path)(X)
    other = heads("spread", "mean", names=False)
    put(other, path)
    np.testing.assert_allclose(other(X)[0], first, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other(X)[1], second, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("put", PUTS)
def test_attributes_in_another_order(put, path):
    expected = quantized(attention("key", "query"), path)(X)
    other = attention("query", "key")
    put(other, path)
    np.testing.assert_allclose(other(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("put", PUTS)
def test_weights_without_a_name(put, path):
    expected = quantized(unnamed(), path)(X)
    for _ in range(2):  # Keras numbers each "variable" of the process
        other = unnamed()
        put(other, path)
        np.testing.assert_allclose(other(X), expected, rtol=1e-4, atol=1e-6)


def test_a_run_that_starts_again_knows_its_file(path):
    def fit(rate, **settings):
        model = unnamed()
        model.compile(keras.optimizers.SGD(rate), "mse")
        callback = bcq_tf.BCQCallback(path, 3, **settings)
        data = X, np.zeros((3, 40), "float32")
        model.fit(*data, validation_data=data, verbose=0, epochs=3, callbacks=[callback])
        return callback.best

    best = fit(0.1)
    before = path.read_bytes()
    assert fit(0.0, resume=True) == best
    assert path.read_bytes() == before


@pytest.mark.parametrize("put", PUTS)
def test_other_names_at_the_same_positions_are_the_same_architecture(put, path):
    expected = quantized(mlp(), path)(X)
    x = keras.Input((32,))
    hidden = L.Dense(40, "relu", name="something")(x)
    other = keras.Model(x, L.Dense(4, name="else")(hidden))
    put(other, path)
    np.testing.assert_allclose(other(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("put", PUTS)
def test_a_sequential_model_takes_the_file_of_a_functional_one(put, path):
    expected = quantized(mlp(), path)(X)
    other = keras.Sequential([keras.Input((32,)), L.Dense(40, "relu"), L.Dense(4)])
    put(other, path)
    np.testing.assert_allclose(other(X), expected, rtol=1e-4, atol=1e-6)


def test_a_file_without_places_goes_by_position(path):
    expected = quantized(mlp(), path)(X)
    opened = bcq_tf.read(path)
    metadata = {key: value for key, value in opened.metadata.items() if key != "places"}
    bcq_tf.save(path, dict(opened), metadata)
    np.testing.assert_allclose(bcq_tf.load_model(path)(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("put", PUTS)
def test_places_that_contradict_the_order_are_refused(put, path):
    def outputs(*names):
        x = keras.Input((32,))
        return keras.Model(x, [L.Dense(40, name=name)(x) for name in names])

    quantized(outputs("mean", "spread", "third"), path)
    other = outputs("spread", "mean", "another")
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"weight 0 is .*'spread/kernel'\), in the file .*'mean/"):
        put(other, path)
    for kept, now in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


@pytest.mark.parametrize(
    "places", [3, ["a"], ["a", "a", "b", "c"], [1, 2, 3, 4], {"a": 1}], ids=str
)
def test_a_list_of_places_that_is_none_is_a_format_error(places, path):
    quantized(mlp(), path)
    opened = bcq_tf.read(path)
    bcq_tf.save(path, dict(opened), opened.metadata | {"places": places})
    with pytest.raises(bcq_tf.FileFormatError, match="its list of the places of weights is not"):
        bcq_tf.load_model(path)


def test_places_are_those_of_the_config_made_model_too():
    for build in (mlp, lambda: heads("mean", "spread"), lambda: heads("mean", "spread", False)):
        model = build()
        again = type(model).from_config(model.get_config())
        assert weight_places(model) == weight_places(again)
        assert len(set(weight_places(model))) == len(model.weights)
