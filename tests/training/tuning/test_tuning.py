"""`quantize_model(..., tune=...)`: outputs come nearer to those of the floats, signs stay."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import bcq_tf
from bcq_tf.training.tuning import tuning
from tests.eager import graphs, in_steps
from tests.small_models import mlp

pytestmark = [in_steps, pytest.mark.filterwarnings("ignore:`calibration` has too few")]
L = keras.layers


def samples(rows=256, columns=32, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype("float32")


def classifier(from_logits=True):
    keras.utils.set_random_seed(0)
    last = None if from_logits else "softmax"
    layers = [L.Dense(64, activation="relu"), L.LayerNormalization(), L.Dense(10, activation=last)]
    model = keras.Sequential([keras.Input((32,)), *layers])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    return model


def sigmoid_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32,)), L.Dense(48), L.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy")
    return model


def regression():
    keras.utils.set_random_seed(0)
    return mlp()


def two_outputs():
    keras.utils.set_random_seed(0)
    x = keras.Input((32,))
    h = L.Dense(40, activation="tanh")(x)
    return keras.Model(x, {"a": L.Dense(3)(h), "b": L.Dense(5)(h)})


def convolutional():
    keras.utils.set_random_seed(0)
    convolution = L.Conv2D(40, 2, activation="relu")
    layers = [L.Reshape((2, 2, 8)), convolution, L.BatchNormalization(), L.Flatten(), L.Dense(4)]
    return keras.Sequential([keras.Input((32,)), *layers])


def recurrent():
    keras.utils.set_random_seed(0)
    layers = [L.Reshape((4, 8)), L.Dense(32), L.LSTM(32), L.Dense(4)]
    return keras.Sequential([keras.Input((32,)), *layers])


MODELS = {
    "logits": classifier,
    "probabilities": lambda: classifier(from_logits=False),
    "binary": sigmoid_model,
    "not compiled": regression,
    "two outputs": two_outputs,
    "convolution": convolutional,
    "recurrent": recurrent,
}


def flat(outputs):
    return np.concatenate([np.ravel(each) for each in keras.tree.flatten(outputs)])


def quantized(make, tune, **settings):
    """(how far outputs are from the floats', the report, the model)."""
    model, x = make(), samples()
    wanted = flat(model(x))
    settings = {"bits": 2, "calibration": x, "batch_size": 32} | settings
    report = bcq_tf.quantize_model(model, tune=tune, **settings)
    return np.mean((flat(model(x)) - wanted) ** 2) ** 0.5, report, model


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_outputs_come_nearer(make, monkeypatch):
    monkeypatch.setattr(tuning, "RATE", 0.08)  # few steps
    plain, before, _ = quantized(make, 0)
    tuned, after, _ = quantized(make, 2)
    assert tuned < 0.99 * plain
    for one, other in zip(before.chosen, after.chosen, strict=True):
        assert one.codes.nbytes == other.codes.nbytes


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
def test_scales_move_by_steps_of_the_codes_error(bits):
    """Whatever the bits: Adam's steps, whose sizes fall along a cosine."""
    settings = {"bits": bits, "scale_dtype": "float32", "batch_size": 4}
    (_, before, _), (_, after, _) = (quantized(classifier, tune, **settings) for tune in (0, 1))
    pairs = list(zip(before.chosen, after.chosen, strict=True))
    error = np.average(
        [a.error**0.5 for a, _ in pairs], weights=[np.prod(a.shape) for a, _ in pairs]
    )
    moved = [abs(b.codes.scales[0] / a.codes.scales[0] - 1).max() for a, b in pairs]
    steps = len(samples()) / 4 * (1 - 1 / tuning.HELD_OUT)
    assert 0.2 < max(moved) / (tuning.RATE * error * steps) < 1


def test_signs_stay_and_no_float_is_written_before_the_end(tmp_path):
    model, x = classifier(), samples()
    settings = {"bits": 2, "calibration": x, "batch_size": 32}
    files = [tmp_path / f"{tune}.bcq.npy" for tune in (0, 2)]
    same = keras.models.clone_model(model)
    same.set_weights(model.get_weights())
    same.compile(loss=model.loss)
    for each, tune, path in zip((model, same), (0, 2), files, strict=True):
        bcq_tf.quantize_model(each, tune=tune, filepath=path, **settings)
    solved, tuned = map(bcq_tf.read, files)
    different = 0
    for name, codes in solved.items():
        if isinstance(codes, bcq_tf.BinaryCodes):
            for one, other in zip(codes.planes, tuned[name].planes, strict=True):
                np.testing.assert_array_equal(one, other)
            different += not np.array_equal(codes.scales[0], tuned[name].scales[0])
        else:
            different += not np.array_equal(codes, tuned[name])
    assert different >= 3  # both kernels, and the scale of the normalization


def test_file_model_and_report_are_of_the_tuned_codes(tmp_path):
    path = tmp_path / "model.bcq.npy"
    _, report, model = quantized(convolutional, 1, filepath=path)
    for packed in (False, True):
        loaded = bcq_tf.load_model(path, packed=packed)
        np.testing.assert_allclose(loaded(samples(8)), model(samples(8)), atol=1e-5)
    for weight, line in zip(
        bcq_tf.read(path).metadata["weights"].values(), report.chosen, strict=True
    ):
        assert weight["error"] == pytest.approx(line.error, rel=1e-3)


def test_a_budget_and_rows_of_tables(monkeypatch):
    monkeypatch.setattr(tuning, "RATE", 0.08)

    def make():
        keras.utils.set_random_seed(0)
        layers = [L.Embedding(60, 32), L.GRU(32), L.Dense(60)]
        model = keras.Sequential([keras.Input((5,), dtype="int32"), *layers])
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    ids = np.random.default_rng(0).integers(0, 60, (256, 5)).astype("int32")
    errors = []
    for tune in (0, 2):
        model = make()
        wanted = model(ids).numpy()
        bcq_tf.quantize_model(model, budget=2.2, calibration=ids, batch_size=32, tune=tune)
        errors.append(np.mean((model(ids) - wanted) ** 2))
    assert errors[1] < 0.95 * errors[0]


def test_padding_does_not_count():
    """Positions that a mask hides may hold anything."""
    found = []
    for filler in (1, 7):
        keras.utils.set_random_seed(0)
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = L.Embedding(20, 32, mask_zero=True)(ids)
        model = keras.Model(ids, L.Dense(20)(L.Dense(32)(x)))
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        data = np.random.default_rng(0).integers(1, 20, (64, 6)).astype("int32")
        data[:, 4:] = 0
        model.layers[1].embeddings.assign(
            np.where(np.arange(20)[:, None] == 0, filler, model.layers[1].embeddings)
        )
        rules = {"*embedding*": None}
        bcq_tf.quantize_model(model, 2, rules, calibration=data, batch_size=16, tune=1)
        found.append(model.layers[2].kernel.numpy())
    np.testing.assert_array_equal(*found)


def test_the_best_epoch_is_kept(monkeypatch):
    """Steps that lead astray leave the codes of the solve, which is said."""
    plain, *_ = quantized(classifier, 0)
    monkeypatch.setattr(tuning, "RATE", 100.0)
    with pytest.warns(UserWarning, match="no nearer"):
        tuned, *_ = quantized(classifier, 1)
    assert tuned == plain


@pytest.mark.parametrize("batches", [1, 5])
def test_few_batches_train_and_measure(batches):
    model, x = classifier(), samples(16 * batches)
    wanted = model(x).numpy()
    bcq_tf.quantize_model(model, 2, calibration=x, batch_size=16, tune=3)
    tuned = np.mean((model(x) - wanted) ** 2)
    other = classifier()
    bcq_tf.quantize_model(other, 2, calibration=x, batch_size=16)
    assert tuned < np.mean((other(x) - wanted) ** 2)


def test_batches_of_many_lengths_are_traced_at_most_twice():
    traces = []

    class Counting(L.Layer):
        def call(self, x):
            traces.append(x.shape)
            return x

    x = keras.Input((None, 32))
    model = keras.Model(x, L.Dense(4)(Counting()(L.Dense(32)(x))))
    traces.clear()
    batches = (samples(2 * length).reshape(2, length, 32) for length in range(1, 9))
    with graphs():
        bcq_tf.quantize_model(model, 2, calibration=batches, tune=1)
    eager = 8  # the calibration
    assert len(traces) - eager <= 4  # outputs and steps, twice each


def test_frozen_normalization_and_statistics_stay():
    model = convolutional()
    normalization = model.layers[2]
    normalization.trainable = False
    before = normalization.get_weights()
    bcq_tf.quantize_model(model, 2, calibration=samples(), batch_size=32, tune=1)
    for one, other in zip(before, normalization.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tune": -1}, "`tune` must be an integer >= 0. Received: tune=-1"),
        ({"tune": 1.5}, "`tune` must be an integer >= 0. Received: tune=1.5"),
        ({"tune": True}, "`tune` must be an integer >= 0. Received: tune=True"),
        ({"tune": 1, "calibration": None}, "`tune` needs `calibration`, samples of data"),
    ],
    ids=str,
)
def test_bad_arguments(settings, message):
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        bcq_tf.quantize_model(model, 2, **({"calibration": samples()} | settings))
    assert all(map(np.array_equal, before, model.get_weights()))


class Undifferentiable(L.Layer):
    def call(self, x):
        @tf.custom_gradient
        def through(x):
            def gradient(_):
                raise LookupError("gradient registry has no entry for: Through")

            return tf.identity(x), gradient

        return through(x)


def test_a_model_without_gradients_is_unchanged():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32,)), L.Dense(32), Undifferentiable(), L.Dense(4)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="`tune` needs a model of operations that have gradients"):
        bcq_tf.quantize_model(model, 2, calibration=samples(), tune=1)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_file_that_cannot_be_written_leaves_the_model_unchanged(tmp_path, monkeypatch):
    from bcq_tf.files import file

    def fail(*arguments):
        raise OSError("no space")

    model = convolutional()
    before = model.get_weights()
    monkeypatch.setattr(file, "save", fail)
    path = tmp_path / "model.bcq.npy"
    with pytest.raises(OSError, match="no space"):
        bcq_tf.quantize_model(model, 2, calibration=samples(), tune=1, filepath=path)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_other_backends_are_refused(monkeypatch):
    model = classifier()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="`tune` needs the TensorFlow backend of Keras. Received"):
        bcq_tf.quantize_model(model, 2, calibration=samples(), tune=1)
