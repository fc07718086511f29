"""What a model's weights are multiplied by, collected from samples of any form."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L  # noqa: N812

import bcq_tf
from bcq_tf.models.calibration import moments, output_gradients
from bcq_tf.models.calibration.batches import batches_of
from bcq_tf.models.calibration.moments import Calibration
from bcq_tf.selection.selection import select
from tests.backends import only_on
from tests.small_models import mlp

pytestmark = pytest.mark.filterwarnings("ignore:`calibration` has too few")


def data(rows=300, inputs=32, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, 6)) @ rng.normal(size=(6, inputs))).astype("float32")


def collected(model, x, batch_size=64, **settings):
    calibration = Calibration(model, batches_of(model, x, batch_size))
    found = {w.path: m for w, m in calibration.of(select(model, **settings).chosen)}
    return found, calibration


def test_the_moments_are_those_of_the_inputs():
    model, x = mlp(), data()
    found, calibration = collected(model, x)
    hidden = np.asarray(model.get_layer("hidden")(x))
    for path, rows in (("hidden/kernel", x), ("output/kernel", hidden)):
        expected = rows.T @ rows / len(rows)
        np.testing.assert_allclose(found[path], expected, rtol=1e-4, atol=1e-4)
    assert set(calibration.counts.values()) == {300}


def in_forms(x):
    import tensorflow as tf

    class Sequence(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return x[100 * i : 100 * i + 100], np.zeros(100)

    yield "array", x
    yield "tuple", (x, np.zeros(len(x)))
    yield "dataset", tf.data.Dataset.from_tensor_slices(x).batch(70)
    yield "dataset with targets", tf.data.Dataset.from_tensor_slices((x, x)).batch(70)
    yield "PyDataset", Sequence()
    yield "generator", (x[i : i + 50] for i in range(0, 300, 50))


@pytest.mark.parametrize("form", [name for name, _ in in_forms(data())])
def test_data_of_every_form_that_fit_takes(form):
    model, x = mlp(), data()
    expected, _ = collected(model, x)
    found, _ = collected(model, dict(in_forms(x))[form])
    for path in expected:
        np.testing.assert_allclose(found[path], expected[path], rtol=1e-3, atol=1e-3)


def test_more_moments_than_are_held_at_once_take_more_runs(monkeypatch):
    model, x = mlp(), data()
    expected, _ = collected(model, x)
    monkeypatch.setattr(moments, "LIMIT_BYTES", 1)
    found, _ = collected(model, x)
    for path in expected:
        np.testing.assert_array_equal(found[path], expected[path])


def masked_model(table, *layers):
    ids = keras.Input((6,), dtype="int32")
    x = table(ids)
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, x)


def test_masked_positions_do_not_count():
    ids = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 0, 0, 0, 0]], "int32")
    model = masked_model(
        L.Embedding(9, 32, mask_zero=True), L.LayerNormalization(), L.Dense(40, name="dense")
    )
    found, calibration = collected(model, ids)
    rows = np.asarray(model.layers[2](model.layers[1](ids)))[ids > 0]
    np.testing.assert_allclose(found["dense/kernel"], rows.T @ rows / 5, rtol=1e-4, atol=1e-6)
    assert sorted(calibration.counts.values()) == [0, 5]


def test_recurrent_kernels_are_reached_step_by_step():
    model = keras.Sequential([keras.Input((5, 32)), L.LSTM(32), L.Dense(33)])
    x = np.random.default_rng(0).normal(size=(7, 5, 32)).astype("float32")
    found, calibration = collected(model, x)
    assert list(calibration.counts.values()) == [42, 42, 7]
    x = np.concatenate([x[:, :1], x], axis=1)  # Keras runs the first step twice
    np.testing.assert_allclose(
        next(iter(found.values())), np.einsum("btc,btd->cd", x, x) / 42, rtol=1e-4, atol=1e-5
    )


def test_outputs_are_nearer_than_with_plain_codes():
    x = data(rows=600)
    results = []
    for calibration in (None, x):
        keras.utils.set_random_seed(1)
        model = mlp()
        before = model.predict(x, verbose=0)
        bcq_tf.quantize_model(model, 2, calibration=calibration)
        results.append(np.sum((model.predict(x, verbose=0) - before) ** 2))
    assert results[1] < 0.3 * results[0]


LAYERS = {
    "dense": ((32,), [L.Dense(33, "relu", name="watched"), L.Dense(4)]),
    "positions": ((5, 32), [L.Dense(33, "gelu", name="watched"), L.Flatten(), L.Dense(4)]),
    "einsum": ((5, 32), [L.EinsumDense("btc,cd->bdt", (33, 5), name="watched"), L.Flatten()]),
    "convolution": ((6, 32), [L.Conv1D(34, 2, name="watched"), L.Flatten(), L.Dense(3)]),
    "last": ((32,), [L.Dense(33, "softmax", name="watched")]),
}


@only_on("tensorflow")
@pytest.mark.parametrize("name", LAYERS)
def test_inputs_count_by_the_gradients_of_the_loss_at_what_is_made_of_them(name):
    import tensorflow as tf

    shape, layers = LAYERS[name]
    layers = [layer.__class__.from_config(layer.get_config()) for layer in layers]
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=name != "last"))
    x = np.random.default_rng(0).normal(size=(64, *shape)).astype("float32")
    found, calibration = collected(model, x, 64)
    # By hand: the gradient at the layer's own result, before the activation.
    watched = model.get_layer("watched")
    plain = watched.__class__.from_config(watched.get_config() | {"activation": None})
    plain.build((None, *shape))
    plain.set_weights(watched.get_weights())
    given = model(x)
    (of_loss,) = output_gradients.drawn(model)((x, None, None), given)
    with tf.GradientTape() as tape:
        made = plain(x)
        tape.watch(made)
        result = watched.activation(made)
        for layer in model.layers[model.layers.index(watched) + 1 :]:
            result = layer(result)
    gradient = tape.gradient(result, made, of_loss).numpy()
    rows, beside = by_hand(name, x, gradient)
    weights = (beside**2).sum(axis=-1)
    expected = np.einsum("n,nc,nd->cd", weights, rows, rows) / weights.sum()
    np.testing.assert_allclose(found[watched.kernel.path], expected, rtol=2e-3, atol=1e-4)
    assert len(rows) in calibration.counts.values()


def by_hand(name, x, y):
    """Rows [N, C] and what is made of each, [N, M]."""
    if name == "einsum":
        y = y.swapaxes(1, 2)
    if name == "convolution":
        windows = np.stack([x[:, :-1], x[:, 1:]], axis=2)  # [batch, positions, kernel, channels]
        x = windows.reshape(*windows.shape[:2], -1)
    return x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])


@only_on("tensorflow")
def test_inputs_that_the_loss_does_not_depend_on_count_alike():
    inputs = keras.Input((32,))
    stopped = keras.layers.Lambda(keras.ops.stop_gradient)(L.Dense(33, name="watched")(inputs))
    model = keras.Model(inputs, L.Dense(4)(stopped))
    model.compile(loss="mse")
    x = data(rows=200)
    found, _ = collected(model, x)
    np.testing.assert_allclose(found["watched/kernel"], x.T @ x / 200, rtol=1e-3, atol=1e-3)


class Pooled(L.Dense):
    """A layer whose outputs are not those of its product."""

    def call(self, x):
        return keras.ops.mean(keras.ops.matmul(x, self.kernel), axis=1)

    def compute_output_shape(self, shape):
        return shape[0], self.units


class Gated(L.Dense):
    """Only a part of its product goes through the activation."""

    def call(self, x):
        y, gate = keras.ops.split(keras.ops.matmul(x, self.kernel), 2, axis=-1)
        return y * self.activation(gate)

    def compute_output_shape(self, shape):
        return *shape[:-1], self.units // 2


@only_on("tensorflow")
@pytest.mark.parametrize("positions", [4, 8])
def test_layers_of_the_users_own_that_make_something_else(positions):
    for cls, alike in ((Pooled, True), (Gated, False)):
        layer = cls(8, "sigmoid", name="watched")
        model = keras.Sequential([keras.Input((positions, 32)), layer, L.Flatten(), L.Dense(3)])
        model.compile(loss="mse")
        x = np.random.default_rng(0).normal(size=(50, positions, 32)).astype("float32")
        found, _ = collected(model, x, rules={"*": {}})
        rows = x.reshape(-1, 32)
        plain = rows.T @ rows / len(rows)
        assert np.allclose(found[layer.kernel.path], plain, atol=1e-3) == alike


class NoGradient(L.Layer):
    """As an operation that TensorFlow differentiates on other devices alone."""

    def call(self, x):
        @tf.custom_gradient
        def same(x):
            def refuse(upstream):
                raise tf.errors.UnimplementedError(None, None, "not on this device")

            return tf.identity(x), refuse

        return same(x)


@only_on("tensorflow")
def test_a_loss_without_gradients_is_said_and_inputs_count_alike():
    def build():
        keras.utils.set_random_seed(0)
        layers = L.Conv1D(34, 2, name="conv"), NoGradient(), L.Flatten(), L.Dense(3, name="dense")
        return keras.Sequential([keras.Input((6, 32)), *layers], name="model")

    model = build()
    model.compile(loss="mse")
    x = np.random.default_rng(0).normal(size=(40, 6, 32)).astype("float32")
    with pytest.warns(UserWarning, match="counts all inputs alike, as the loss has no gradient"):
        found, _ = collected(model, x)
    expected, _ = collected(build(), x)
    assert len(found) == 2
    for path in expected:
        np.testing.assert_array_equal(found[path], expected[path])
    with pytest.raises(ValueError, match="must have a loss with gradients on this device"):
        bcq_tf.allocate(model, 3.0, calibration=x)


@only_on("tensorflow")
@pytest.mark.parametrize("tied", [True, False])
def test_tables_are_solved_for_what_the_loss_says(tied):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (400, 6)).astype("int32")

    def build():
        keras.utils.set_random_seed(3)
        tokens = keras.Input((6,), dtype="int32")
        table = L.ReversibleEmbedding(50, 32, tie_weights=tied, name="table")
        table.build((None, 6))
        scale = np.exp(np.linspace(-2, 2, 32)).astype("float32")
        table.embeddings.assign(rng.normal(size=(50, 32)) / 6)
        hidden = L.Dense(32, name="dense", use_bias=False)(table(tokens) * scale)
        return keras.Model(tokens, table(keras.ops.tanh(hidden), reverse=True))

    rng = np.random.default_rng(1)
    model = build()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before, weights = model.predict(ids, verbose=0), model.get_weights()
    errors = []
    for calibration in (None, ids):
        model.set_weights(weights)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            bcq_tf.quantize_model(model, 2, rules={"*dense*": None}, calibration=calibration)
        errors.append(np.sum((model.predict(ids, verbose=0) - before) ** 2))
    assert errors[1] < 0.8 * errors[0]


class Unknown(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 40), name="kernel")

    def call(self, x):
        return keras.ops.dot(x, self.kernel)


def test_weights_that_no_sample_reaches_are_said_and_solved_plainly():
    model = keras.Sequential([keras.Input((32,)), Unknown(name="own"), L.Dense(33, name="dense")])
    rules = {"*own*": {"axes": (0,)}}
    plain = bcq_tf.quantize(np.asarray(model.layers[0].kernel).T, 3)
    with pytest.warns(
        UserWarning, match="`calibration` says nothing of some weights, .*own/kernel"
    ):
        report = bcq_tf.quantize_model(model, 3, rules, calibration=data())
    path = next(path for path in report.codes if "own" in path)
    np.testing.assert_array_equal(report.codes[path].reconstruct(), plain.reconstruct())


@pytest.mark.filterwarnings("default:`calibration` has too few")
def test_too_few_samples_are_said():
    with pytest.warns(UserWarning, match="too few samples for 2 weights: '.*' has 20, of 128 that"):
        bcq_tf.quantize_model(mlp(), 3, calibration=data(rows=20))


def nan_in(x):
    x = x.copy()
    x[7, 3] = np.nan
    return x


@pytest.mark.parametrize(
    ("calibration", "error", "message"),
    [
        (data()[:0], ValueError, "must have a batch. Received: none"),
        (iter(()), ValueError, "must have a batch. Received: none"),
        ("a text", TypeError, "must be arrays, a tf.data.Dataset"),
        (3, TypeError, "must be arrays, a tf.data.Dataset"),
        ([[1.0, 2.0], [3.0, 4.0]], TypeError, "must be arrays, .* Received: 1.0"),
        ((np.float32(3), data()), TypeError, "must be arrays, .* Received: .*3.0"),
        (data(inputs=31), ValueError, "must hold batches that the model takes"),
        ([data(), data()], ValueError, "must hold batches that the model takes"),
        (nan_in(data()), ValueError, "finite inputs of every product.*weight '.*hidden/kernel'"),
        (data() * 1e25, ValueError, "finite inputs of every product.*weight '.*hidden/kernel'"),
    ],
)
def test_bad_data_changes_nothing(calibration, error, message):
    model = mlp()
    before = model.get_weights()
    with pytest.raises(error, match=message) as raised:
        bcq_tf.quantize_model(model, 3, calibration=calibration)
    assert "\n" not in str(raised.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.predict(data(), verbose=0)


@only_on("tensorflow")
@pytest.mark.parametrize("kind", ["Dataset", "PyDataset"])
def test_data_without_an_end_are_refused(kind):
    import tensorflow as tf

    class Endless(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, i):
            return data()

    endless = tf.data.Dataset.from_tensor_slices(data()).batch(9).repeat()
    given = {"Dataset": endless, "PyDataset": Endless()}[kind]
    with pytest.raises(ValueError, match="`calibration` must end, .* Received: .* without an end"):
        bcq_tf.quantize_model(mlp(), 3, calibration=given)
    bcq_tf.quantize_model(mlp(), 3, calibration=endless.take(4))


def test_other_solvers_have_no_calibration():
    with pytest.raises(ValueError, match="needs the alternating solver.*weight"):
        bcq_tf.quantize_model(mlp(), 3, solver="greedy", calibration=data())


@pytest.mark.parametrize(
    "settings", [{}, {"sequential": True}, {"tune": 1}, {"budget": 2.5}], ids=str
)
def test_stateful_layers_keep_their_states(settings):
    """What samples leave in them would be seen by the first batch that comes after."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 5, 32)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(16, 5, 32)),
            keras.layers.LSTM(32, stateful=True),
            keras.layers.Dense(4),
        ]
    )
    model.compile(loss="mse")
    model(x[:16])
    before = [state.numpy() for state in model.layers[0].states]
    settings = {"bits": 2} | settings
    if "budget" in settings:
        del settings["bits"]
    bcq_tf.quantize_model(model, calibration=x, batch_size=16, **settings)
    for state, value in zip(model.layers[0].states, before, strict=True):
        np.testing.assert_array_equal(state, value)
