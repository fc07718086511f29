"""`unpack_model`: variables come back where they stood, and train as their layers say."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf import quantize_embed
from bcq_tf.layers import BCQDense, FastEmbedding, UniformEmbedding
from tests.models.packed_models import IDS, VECTORS

ROWS = 90


def dense_model():
    x = keras.Input((32,))
    return keras.Model(x, L.Dense(4)(L.Dense(64, name="layer")(x)))


def table_model():
    x = keras.Input((6,), dtype="int32")
    return keras.Model(x, L.Dense(4)(L.Flatten()(L.Embedding(ROWS, 48, name="layer")(x))))


def untied_model():
    x = keras.Input((6,), dtype="int32")
    table = L.ReversibleEmbedding(ROWS, 64, tie_weights=False, name="layer")
    return keras.Model(x, table(table(x), reverse=True))


MODELS = {"dense": dense_model, "table": table_model, "untied": untied_model}
trainable = pytest.mark.parametrize("after", [True, False])


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def lists(model):
    """Paths of the weights of each layer, in the lists that Keras keeps."""
    return [
        [[v.path for v in found] for found in (x._trainable_variables, x._non_trainable_variables)]
        for x in model.layers
    ]


def pack(model):
    codes = bcq_tf.quantize_model(model, 2, effort="low").codes
    bcq_tf.pack_model(model, codes)


@trainable
@pytest.mark.parametrize("before", [True, False])
def test_variables_stand_where_they_stood_and_train_with_their_layer(
    model, before, after, tmp_path
):
    layer = model.get_layer("layer")
    stood = lists(model)
    layer.trainable = before
    path = tmp_path / "m.bcq.npy"
    bcq_tf.quantize_model(model, 2, effort="low", filepath=path)
    bcq_tf.pack_model(model, path)
    layer.trainable = after
    bcq_tf.unpack_model(model)
    assert lists(model) == stood
    assert {v.trainable for v in layer.weights} == {after}
    bcq_tf.load_weights(model, path)
    layer.trainable = True
    assert {id(v) for v in layer.weights} <= {id(v) for v in model.trainable_variables}


def test_a_variable_that_was_frozen_by_itself_stays_so():
    model = dense_model()
    model.get_layer("layer").kernel.trainable = False
    pack(model)
    bcq_tf.unpack_model(model)
    layer = model.get_layer("layer")
    assert (layer.kernel.trainable, layer.bias.trainable) == (False, True)


def test_a_table_that_was_frozen_while_packed_does_not_move():
    model = table_model()
    quantize_embed(model, 4)
    model.get_layer("layer").trainable = False
    bcq_tf.unpack_model(model)
    before = model.get_layer("layer").embeddings.numpy()
    model.compile("sgd", "mse")
    model.fit(IDS, np.ones((3, 4)), verbose=0)
    np.testing.assert_array_equal(model.get_layer("layer").embeddings, before)


def test_a_variable_that_two_layers_share_is_one_again():
    x = keras.Input((6,), dtype="int32")
    first, second = L.Embedding(ROWS, 48), L.Embedding(ROWS, 48)
    first.build()
    second.build()
    with bcq_tf._keras.unlocked(second):
        second._untrack_variable(second._embeddings)
        second._embeddings = first._embeddings
    model = keras.Model(x, first(x) + second(x))
    quantize_embed(model, 4)
    assert first.embeddings_packed is second.embeddings_packed
    bcq_tf.unpack_model(model)
    assert first._embeddings is second._embeddings
    assert len(model.weights) == 1


def test_whether_xla_can_compile_the_layer():
    x = keras.Input((6,), dtype="int32")
    table = FastEmbedding(ROWS, 48)
    model = keras.Model(x, table(x))
    table.supports_jit = False  # as without the compiled XLA calls
    quantize_embed(model, 16)
    assert table.supports_jit
    bcq_tf.unpack_model(model)
    assert not table.supports_jit


# Which models


def around(inner):
    x = keras.Input(inner.input_shape[1:])
    return keras.Model(x, L.Dense(3)(inner(x)), name="outer")


def test_a_model_around_one_that_was_packed():
    inner = dense_model()
    outer = around(inner)
    outer.compile("sgd", "mse")
    pack(inner)
    expected = outer(VECTORS).numpy()
    with pytest.raises(ValueError, match="make it float with bcq_tf.unpack_model first.*'outer'"):
        bcq_tf.quantize_model(outer, 2)
    bcq_tf.unpack_model(outer)
    np.testing.assert_allclose(outer(VECTORS), expected, rtol=1e-4, atol=1e-5)
    assert not outer.compiled  # its optimizer held variables that are gone
    bcq_tf.quantize_model(outer, 2, effort="low")


def test_a_model_all_of_whose_layers_became_float_with_another():
    inner = table_model()
    outer = around(inner)
    quantize_embed(outer, 4)
    bcq_tf.unpack_model(inner)
    bcq_tf.unpack_model(outer)
    assert type(outer) is type(inner) is type(table_model())


def test_layers_that_were_made_as_packed_ones_stay():
    codes = bcq_tf.quantize(np.random.default_rng(0).normal(size=(48, 32)), effort="low")
    model = keras.Sequential([keras.Input((32,)), BCQDense.from_codes(codes, name="by_hand")])
    with pytest.raises(ValueError, match="and one that was made as a packed layer cannot become"):
        bcq_tf.quantize_model(model)
    with pytest.raises(ValueError, match="whose layer 'by_hand' was made as a packed one$"):
        bcq_tf.unpack_model(model)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (3, TypeError, "`model` must be a Keras model. Received: model=3$"),
        (L.Dense(3), TypeError, "`model` must be a Keras model. Received: model=<Dense"),
        (dense_model(), ValueError, "`model` must be packed, .* Received: model '[a-z_0-9]*'$"),
    ],
    ids=["a number", "a layer", "a float model"],
)
def test_what_cannot_be_unpacked(model, error, message):
    with pytest.raises(error, match=message):
        bcq_tf.unpack_model(model)


def test_the_other_model_of_a_table_keeps_its_products():
    table = L.Embedding(ROWS, 48, name="words")

    def build():
        x = keras.Input((6,), dtype="int32")
        return keras.Model(x, L.Dense(66, name="output")(L.Flatten()(table(x))))

    first, second = build(), build()
    quantize_embed(first, 4)
    pack(second)
    expected = second(IDS).numpy()
    assert isinstance(table, UniformEmbedding)
    bcq_tf.unpack_model(first)
    assert type(table) is L.Embedding
    assert isinstance(second.get_layer("output"), BCQDense)
    np.testing.assert_array_equal(second(IDS), expected)
