"""Weights solved one after the other, for the inputs that they have then."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.models.calibration.sequential import visit_in_order
from bcq_tf.selection.selection import select

pytestmark = pytest.mark.filterwarnings("ignore:`calibration`")


def data(rows=500, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, 8)) @ rng.normal(size=(8, 32))).astype("float32")


def deep(depth=4) -> keras.Model:
    keras.utils.set_random_seed(0)
    dense = [L.Dense(32, activation="tanh", name=f"dense_{i}") for i in range(depth)]
    return keras.Sequential([keras.Input((32,)), *dense], name="m")


def branches() -> keras.Model:
    """Layers that are not called in the order of `model.weights`, and one that is called twice."""
    keras.utils.set_random_seed(0)
    x = keras.Input((32,))
    late, early, twice = (L.Dense(32, name=name) for name in ("late", "early", "twice"))
    late.build((None, 32))
    h = keras.ops.tanh(early(x))
    return keras.Model(x, late(twice(twice(h))) + h, name="m")


def visited(model, x, batch_size=100):
    """[(path, moments)] in the order of the visits; each weight becomes 2-bit codes' value."""
    found = []

    def visit(weight, moments, cross):
        found.append((weight.path, moments))
        matrix = weight.view.to_matrix(np.asarray(weight.variable))
        value = bcq_tf.quantize(matrix, 2, effort="low").reconstruct()
        weight.variable.assign(weight.view.from_matrix(value))

    calibration = Calibration(model, batches_of(model, x, batch_size))
    visit_in_order(calibration, select(model).chosen, visit)
    assert len(calibration.counts) == len(found)
    return found


@pytest.mark.parametrize("batch_size", [500, 170])
def test_inputs_are_those_of_the_quantized_model(batch_size):
    model, x = deep(), data()
    found = visited(model, x, batch_size)
    assert [path for path, _ in found] == [f"m/dense_{i}/kernel" for i in range(4)]
    h = x
    for layer, (_, moments) in zip(model.layers, found, strict=True):  # quantized by now
        np.testing.assert_allclose(moments, h.T @ h / len(h), rtol=1e-3, atol=1e-4)
        h = np.asarray(layer(h))


def test_the_order_is_that_of_the_calls_and_shared_layers_come_first():
    model, x = branches(), data()
    twice = model.get_layer("twice")
    h = np.asarray(keras.ops.tanh(model.get_layer("early")(x)))
    rows = np.concatenate([h, np.asarray(twice(h))])
    found = visited(model, x)
    assert [path.split("/")[-2] for path, _ in found] == ["twice", "early", "late"]
    np.testing.assert_allclose(found[0][1], rows.T @ rows / len(rows), rtol=1e-3, atol=1e-4)


def test_tables_come_first_and_masks_hold():
    keras.utils.set_random_seed(0)
    ids = keras.Input((5,), dtype="int32")
    h = L.Dense(32, activation="tanh", name="dense")(L.Embedding(20, 32, mask_zero=True)(ids))
    model = keras.Model(ids, L.Dense(33, name="last")(h), name="m")
    x = np.random.default_rng(0).integers(0, 20, (60, 5)).astype("int32")
    found = visited(model, x, 25)
    assert [path.split("/")[-2] for path, _ in found] == ["embedding", "dense", "last"]
    rows = np.asarray(model.layers[2](model.layers[1](x)))[x > 0]
    np.testing.assert_allclose(found[2][1], rows.T @ rows / len(rows), rtol=1e-3, atol=1e-4)


def test_outputs_are_nearer_than_without():
    x, errors = data(2000), {}
    for sequential in (False, True):
        model = deep(6)
        before = model.predict(x, verbose=0)
        bcq_tf.quantize_model(model, 2, calibration=x, batch_size=500, sequential=sequential)
        errors[sequential] = ((model.predict(x, verbose=0) - before) ** 2).sum()
    assert errors[True] < 0.95 * errors[False]


def test_the_file_is_that_of_the_model(tmp_path):
    model, x = branches(), data()
    path = tmp_path / "a.bcq.npy"
    bcq_tf.quantize_model(model, 2, calibration=x, sequential=True, filepath=path)
    loaded = bcq_tf.load_model(path) if keras.backend.backend() == "tensorflow" else model
    np.testing.assert_allclose(
        loaded.predict(x[:9], verbose=0), model.predict(x[:9], verbose=0), atol=1e-5
    )


class Fickle(keras.Model):
    """Takes its layers in an order that the batch decides."""

    def __init__(self):
        super().__init__(name="m")
        self.one, self.other = L.Dense(32, name="one"), L.Dense(32, name="other")

    def call(self, x):
        layers = [self.one, self.other]
        if float(np.asarray(x).ravel()[0]) > 0:
            layers.reverse()
        return layers[1](layers[0](x))


def wrong():
    nan = data(40)
    nan[35] = np.nan
    yield "NaN in a later batch", deep, nan, "`calibration` must give finite inputs"
    yield "another width", deep, np.ones((40, 31), "f"), "`calibration` must hold batches"
    signs = np.where(np.arange(40) < 20, -1, 1)[:, None] * np.ones((40, 32), "f")

    def fickle():
        model = Fickle()
        model(signs[:1])
        return model

    yield "another order", fickle, signs, "`sequential` needs a model that takes its layers in one"

    def bad_weight():
        model = deep()
        model.layers[2].kernel.assign(np.full((32, 32), np.nan))
        return model

    yield "NaN in a weight", bad_weight, data(40), "must be finite.*weight 'm/dense_2/kernel'"


@pytest.mark.parametrize("case", [name for name, *_ in wrong()])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_input_leaves_the_model_as_it_was(case):
    make, x, message = {name: rest for name, *rest in wrong()}[case]
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message) as error:
        bcq_tf.quantize_model(model, 2, calibration=x, batch_size=20, sequential=True)
    assert "\n" not in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_needs_samples():
    with pytest.raises(ValueError, match="`sequential` needs `calibration`"):
        bcq_tf.quantize_model(deep(), 2, sequential=True)
