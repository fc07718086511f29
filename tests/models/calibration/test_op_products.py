"""Layers of users' own and mixtures of experts: what `keras.ops` multiplies their weights by."""

import keras
import numpy as np
import pytest
from keras import layers as L  # noqa: N812
from keras import ops

import bcq_tf
from bcq_tf.models.calibration import output_gradients
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.selection.selection import select
from tests.backends import only_on
from tests.models.test_kerashub_experts import CASES, layer_class

pytestmark = pytest.mark.filterwarnings("ignore:`calibration` has too few")
ROWS, POSITIONS = 40, 3


class Own(keras.layers.Layer):
    """A layer of one weight; multiply(x, weight) is its result."""

    def __init__(self, shape, multiply):
        super().__init__(name="own")
        self._shape, self._multiply = shape, multiply

    def build(self, _):
        self.kernel = self.add_weight(shape=self._shape, name="kernel")

    def call(self, x):
        return self._multiply(x, self.kernel)


def matmul(x, w):
    return ops.matmul(x, w)  # the name is looked up at each call


def turned(x):
    return ops.swapaxes(x, 0, 1)


def copy(w):
    return ops.convert_to_tensor(w)


def einsum(equation, first=False):
    if first:
        return lambda x, w: ops.einsum(equation, w, x)
    return lambda x, w: ops.einsum(equation, x, w)


# {name: (shape of the weight, axes that are summed over, the layer's product, by hand: x [b, t, 32]
# to rows [N, 32])}.
PRODUCTS = {
    "matmul": ((32, 5), (0,), matmul, lambda x: x),
    "matmul of a copy": ((32, 5), (0,), lambda x, w: matmul(x, copy(w)), lambda x: x),
    "matmul of a cast": ((32, 5), (0,), lambda x, w: matmul(x, ops.cast(w, x.dtype)), lambda x: x),
    "matmul of many": ((3, 32, 5), (1,), lambda x, w: matmul(turned(x), w), lambda x: x),
    "einsum": ((32, 5), (0,), einsum("btc,cd->btd"), lambda x: x),
    "einsum with dots": ((32, 5), (0,), einsum("...c,cd->...d"), lambda x: x),
    "einsum, weight first": ((5, 32), (1,), einsum("dc,btc->btd", first=True), lambda x: x),
    "experts": ((2, 32, 5), (1,), einsum("btc,ecd->ebtd"), lambda x: x),
    "a kernel for each position": ((3, 32, 5), (1,), einsum("btc,tcd->btd"), lambda x: x),
    "over two axes": ((3, 32, 5), (0, 1), einsum("btc,tcd->bd"), lambda x: x.reshape(-1, 96)),
}  # fmt: skip


def model_of(name):
    shape, _, multiply, _ = PRODUCTS[name]
    keras.utils.set_random_seed(0)
    inputs = keras.Input((POSITIONS, 32))
    made = Own(shape, multiply)(inputs)
    return keras.Model(inputs, made)


def moments(model, x, axes):
    calibration = Calibration(model, batches_of(model, x, 16))
    chosen = select(model, rules={"*own*": {"axes": axes}}).chosen
    ((_, found),) = calibration.of(chosen)
    return found, calibration.counts[chosen[0].position]


def inputs():
    return np.random.default_rng(0).normal(size=(ROWS, POSITIONS, 32)).astype("float32")


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_moments_are_those_of_the_operand(name):
    _, axes, _, by_hand = PRODUCTS[name]
    found, count = moments(model_of(name), inputs(), axes)
    rows = by_hand(inputs())
    rows = rows.reshape(-1, rows.shape[-1])
    assert count == len(rows)
    np.testing.assert_allclose(found, rows.T @ rows / len(rows), rtol=1e-4, atol=1e-4)


@only_on("tensorflow")
def test_operands_count_by_the_gradients_of_the_loss_at_the_product():
    model = model_of("experts")
    model.compile(loss="mse")
    found, _ = moments(model, inputs(), (1,))
    weights = []
    sample = output_gradients.drawn(model)
    for begin in range(0, ROWS, 16):
        predicted = model(inputs()[begin : begin + 16])
        (gradient,) = sample((None, None, None), predicted)
        weights.append(np.sum(np.square(gradient), axis=(0, 3)))
    weights, rows = np.concatenate(weights).reshape(-1), inputs().reshape(-1, 32)
    expected = np.einsum("n,nc,nd->cd", weights, rows, rows) / weights.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("multiply", "axes"),
    [
        (einsum("btc,cd->btd"), (1,)),  # sums over the rows that the rule names
        (lambda x, w: matmul(x, 2 * w), (0,)),  # a value made of the weight
        (lambda x, w: ops.multiply(x, w[0]), (0,)),  # no product
    ],
)
def test_other_uses_say_nothing_of_the_columns(multiply, axes):
    model = keras.Sequential([keras.Input((POSITIONS, 32)), Own((32, 32), multiply)])
    with pytest.warns(UserWarning, match="`calibration` says nothing of some weights.*own/kernel"):
        bcq_tf.quantize_model(model, 2, {"*": {"axes": axes}}, calibration=inputs())


def test_keras_ops_are_themselves_again():
    before = ops.einsum, ops.matmul
    moments(model_of("einsum"), inputs(), (0,))
    with pytest.raises(ValueError, match="must hold batches that the model takes"):
        moments(model_of("einsum"), np.ones((3, 4, 5), "float32"), (0,))
    assert (ops.einsum, ops.matmul) == before


@pytest.mark.parametrize("place", CASES, ids=lambda place: place.rpartition(".")[2])
def test_calibrated_experts_of_kerashub_are_nearer(place):
    keras.utils.set_random_seed(0)
    tokens = keras.Input((32,))
    experts = layer_class(place)(2, 32, 40, name="experts")
    shares = L.Dense(2, activation="softmax", name="router")(tokens)
    model = keras.Model(tokens, experts(tokens, shares) if "Gemma4" in place else experts(tokens))
    for variable in model.weights:
        random = np.random.default_rng(len(variable.shape)).normal(size=variable.shape)
        variable.assign(random / 6 if len(variable.shape) > 1 else np.ones(variable.shape))
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(400, 4)) @ rng.normal(size=(4, 32)) / 2).astype("float32")
    before, weights, errors = model(x), model.get_weights(), []
    for calibration in (None, x):
        model.set_weights(weights)
        bcq_tf.quantize_model(model, 2, {"*experts*": 2}, calibration=calibration)
        errors.append(np.sum(np.square(np.asarray(model(x)) - np.asarray(before))))
    assert errors[1] < 0.7 * errors[0]
