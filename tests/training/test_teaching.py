"""Distillation inside the callback: the loss against its formula, and nothing else changed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import bcq_tf
from tests.backends import only_on
from tests.small_models import batches, compiled_mlp, mlp, regression_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 32)).astype("float32")
CLASSES = RNG.integers(0, 4, 16)
WEIGHTS = RNG.uniform(0.5, 2, 16).astype("float32")


def softmax(z):
    """Along the last axis."""
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(p, q):
    """Of distributions along the last axis."""
    return (p * np.log(p / q)).sum(-1)


def categorical(wanted, found, t):
    """Of logits."""
    return t**2 * divergence(softmax(wanted / t), softmax(found / t))


def probable(wanted, found, t):
    """Of probabilities."""
    return categorical(np.log(wanted), np.log(found), t)


def binary(wanted, found, t):
    """Of logits, each by itself."""
    p, q = (1 / (1 + np.exp(-each)) for each in (wanted, found))
    p, q = np.stack([p, 1 - p], -1), np.stack([q, 1 - q], -1)
    return probable(p, q, t).mean(-1)


def squared(wanted, found, t):
    """By the mean square of what is wanted."""
    return np.square(wanted - found).mean(-1) / np.square(wanted).mean()


KINDS = {
    "categorical": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        None, CLASSES, categorical,
    ),
    "of probabilities": ("sparse_categorical_crossentropy", "softmax", CLASSES, probable),
    "binary": (
        keras.losses.BinaryCrossentropy(from_logits=True),
        None, RNG.integers(0, 2, (16, 4)).astype("float32"), binary,
    ),
    "squared": ("mse", None, RNG.normal(size=(16, 4)).astype("float32"), squared),
    "another": ("mae", None, RNG.normal(size=(16, 4)).astype("float32"), squared),
}  # fmt: skip


def network(activation=None, seed=0):
    """One layer."""
    start = keras.initializers.GlorotUniform(seed)
    dense = layers.Dense(4, activation, kernel_initializer=start, name="dense")
    return keras.Sequential([keras.Input((32,)), dense])


def fit_still(model, teacher, y, sample_weight=None, **settings):
    """The history of one step of one batch that changes nothing."""
    settings = {"monitor": "loss", "rules": {"*kernel": 8}, "teacher": teacher} | settings
    callback = bcq_tf.BCQCallback(**settings)
    return model.fit(X, y, 16, sample_weight=sample_weight, verbose=0, callbacks=[callback]).history


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_that_of_the_formula(kind, temperature, weighted):
    loss, activation, y, distance = KINDS[kind]
    model, teacher = network(activation), network(activation, seed=1)
    model.compile(keras.optimizers.SGD(0.0), loss)
    weights = WEIGHTS if weighted else None
    plain = model.evaluate(X, y, 16, sample_weight=weights, verbose=0)
    found, wanted = (np.asarray(each(X), np.float64) for each in (model, teacher))
    history = fit_still(model, teacher, y, weights, temperature=temperature, alpha=0.3)
    far = np.average(distance(wanted, found, temperature), weights=weights)
    assert far > 1e-3
    assert history["loss"][0] == pytest.approx(0.7 * plain + 0.3 * far, rel=1e-4)


def test_positions_that_a_mask_or_weights_leave_out_do_not_count():
    def tagger(seed):
        start = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
        return keras.Sequential([
            keras.Input((None,), dtype="int32"),
            layers.Embedding(20, 32, mask_zero=True, embeddings_initializer=start),
            layers.Dense(5, kernel_initializer=start),
        ])  # fmt: skip

    ids = np.array([[3, 4, 5, 0], [6, 7, 0, 0]])
    model, teacher = tagger(0), tagger(1)
    model.compile(keras.optimizers.SGD(0.0), KINDS["categorical"][0])
    weights = np.array([[1, 0, 2, 9], [1, 1, 9, 9]], "float32")
    callback = bcq_tf.BCQCallback(monitor="loss", teacher=teacher, alpha=1.0)
    history = model.fit(ids, ids % 5, sample_weight=weights, verbose=0, callbacks=[callback])
    # The model was quantized when its epoch had ended, after the loss was taken.
    model.set_weights(tagger(0).get_weights())
    far = categorical(*(np.asarray(each(ids), np.float64) for each in (teacher, model)), 1)
    expected = np.average(far, weights=weights * (ids > 0))
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("latent", [False, True])
def test_at_alpha_1_labels_do_not_matter(latent):
    trained = []
    for shift in (0, 5):
        keras.utils.set_random_seed(0)
        model, teacher = compiled_mlp(), mlp()
        teacher.set_weights([0.5 * w for w in model.get_weights()])
        x, y = regression_data()
        callback = bcq_tf.BCQCallback(
            monitor="loss", latent=latent, every_n_steps=2, teacher=teacher, alpha=1
        )
        model.fit(x, y + shift, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
        trained.append(model.get_weights())
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_val_loss_stays_the_plain_one():
    model, teacher = compiled_mlp(), mlp()
    callback = bcq_tf.BCQCallback(latent=True, teacher=teacher, alpha=0.9)
    history = model.fit(batches(), validation_data=batches(2), verbose=0, callbacks=[callback])
    assert history.history["val_loss"][0] == pytest.approx(
        model.evaluate(batches(2), verbose=0), rel=1e-5
    )


def test_a_model_that_is_like_its_teacher_learns_nothing():
    model, teacher = compiled_mlp(), mlp()
    teacher.set_weights(model.get_weights())
    before, seen = model.get_weights(), []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(model.get_weights())
    )
    floats = {"schedule": {10**6: None}, "teacher": teacher, "alpha": 1.0}
    with pytest.warns(UserWarning, match="the last epoch was kept"):
        model.fit(batches(), verbose=0, callbacks=[look, bcq_tf.BCQCallback(**floats)])
    for one, other in zip(seen[-1], before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("suffix", [".keras", ".bcq.npy"])
def test_the_path_of_a_teacher(suffix, tmp_path):
    keras.utils.set_random_seed(0)
    teacher, path = mlp(), str(tmp_path / f"teacher{suffix}")
    if suffix == ".keras":
        teacher.save(path)
    else:
        bcq_tf.quantize_model(teacher, 8, filepath=path)
    losses = []
    for given in (teacher, path, tmp_path / f"teacher{suffix}"):
        keras.utils.set_random_seed(1)
        model = compiled_mlp()
        callback = bcq_tf.BCQCallback(monitor="loss", teacher=given)
        history = model.fit(batches(), shuffle=False, verbose=0, callbacks=[callback])
        losses.append(history.history["loss"][0])
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)


def test_several_outputs():
    def two_headed(seed):
        start = keras.initializers.GlorotUniform(seed)
        inputs = keras.Input((32,))
        heads = {n: layers.Dense(4, kernel_initializer=start)(inputs) for n in "ab"}
        return keras.Model(inputs, heads)

    model, teacher = two_headed(0), two_headed(1)
    model.compile(keras.optimizers.SGD(0.0), {"a": "mse", "b": "mae"})
    y = {n: np.zeros((16, 4), "float32") for n in "ab"}
    weights = {"a": WEIGHTS, "b": np.ones(16, "float32")}
    wanted, found = teacher(X), model(X)
    far = sum(
        np.average(squared(*(np.asarray(o[n]) for o in (wanted, found)), 1), weights=weights[n])
        for n in "ab"
    )
    history = fit_still(model, teacher, y, weights, alpha=1.0)
    assert history["loss"][0] == pytest.approx(far, rel=1e-4)


class OwnStep(keras.Model):
    """A train_step that computes its loss as Keras has it, or not."""

    computes = True

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data[:2]
        with tf.GradientTape() as tape:
            found = self(x, training=True)
            loss = (
                self.compute_loss(x, y, found)
                if self.computes
                else tf.reduce_mean(tf.square(found - y))
            )
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return {"own": loss}  # "loss" would be that of the model's tracker


@only_on("tensorflow")
def test_a_train_step_of_the_models_own():
    model = OwnStep()
    model(X)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    teacher = network()
    y = np.zeros((16, 4), "float32")
    far = squared(np.asarray(teacher(X)), np.asarray(model(X)), 1).mean()
    history = fit_still(model, teacher, y, alpha=1.0, monitor="own", mode="min")
    assert history["own"][0] == pytest.approx(far, rel=1e-4)
    model.computes = False
    with pytest.raises(ValueError, match="`teacher` needs a train_step that calls compute_loss"):
        fit_still(model, teacher, y)


@only_on("tensorflow")
@pytest.mark.graphs
def test_mirrored_replicas_learn_as_one_does():
    keras.utils.set_random_seed(0)
    teacher, alone = mlp(), mlp()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        mirrored = mlp()
    mirrored.set_weights(alone.get_weights())
    histories = []
    for model in (alone, mirrored):
        model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
        callback = bcq_tf.BCQCallback(monitor="loss", bits=8, teacher=teacher, alpha=0.5)
        histories.append(model.fit(batches(), shuffle=False, verbose=0, callbacks=[callback]))
    np.testing.assert_allclose(*(h.history["loss"] for h in histories), rtol=1e-4)


@pytest.mark.graphs
def test_an_interrupted_fit_leaves_the_model_its_loss():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model, untouched = compiled_mlp(), compiled_mlp()
    untouched.set_weights(model.get_weights())
    callback = bcq_tf.BCQCallback(teacher=mlp(), alpha=1.0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches(), verbose=0, callbacks=[callback, Stop()])
    assert "compute_loss" not in vars(model)
    model.set_weights(untouched.get_weights())
    for each in (model, untouched):
        each.fit(batches(), shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"teacher": 3}, TypeError, "`teacher` must be a Keras model or the path of one"),
        ({"teacher": "no.keras"}, FileNotFoundError, "`teacher` must be a file that exists"),
        ({"temperature": 0}, ValueError, "`temperature` must be a positive number"),
        ({"temperature": "hot"}, ValueError, "`temperature` must be a positive number"),
        ({"alpha": 0}, ValueError, "`alpha` must be a positive number. Received: alpha=0"),
        ({"alpha": 1.5}, ValueError, "`alpha` must be at most 1. Received: alpha=1.5"),
        ({"alpha": float("nan")}, ValueError, "`alpha` must be a positive number"),
    ],
    ids=str,
)
def test_bad_input(settings, error, message):
    with pytest.raises(error, match=message) as found:
        bcq_tf.BCQCallback(**{"teacher": mlp()} | settings)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["itself", "a part of it"])
def test_a_teacher_that_would_change_is_refused(name):
    model = compiled_mlp()
    teacher = model if name == "itself" else keras.Sequential(model.layers[1:])
    with pytest.raises(ValueError, match="`teacher` must have weights of its own"):
        model.fit(batches(), verbose=0, callbacks=[bcq_tf.BCQCallback(teacher=teacher)])


@pytest.mark.graphs
def test_a_teacher_of_other_outputs_is_refused():
    model = compiled_mlp()
    callback = bcq_tf.BCQCallback(teacher=mlp(outputs=5))
    with pytest.raises(ValueError, match="must give outputs of the model's shapes"):
        model.fit(batches(), verbose=0, callbacks=[callback])


@keras.saving.register_keras_serializable(package="tests")
class Masked(keras.losses.Loss):
    """A user's own crossentropy, whose name and attribute tell what it is."""

    from_logits = True

    def call(self, y_true, y_pred):
        return keras.ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize(
    ("name", "distance"),
    [("masked_sparse_categorical_crossentropy", categorical), ("my_loss", squared)],
)
def test_losses_of_users_are_known_by_their_names(name, distance):
    model, teacher = network(), network(seed=1)
    model.compile(keras.optimizers.SGD(0.0), Masked(name=name))
    far = distance(*(np.asarray(each(X), np.float64) for each in (teacher, model)), 1).mean()
    history = fit_still(model, teacher, CLASSES, alpha=1.0)
    assert history["loss"][0] == pytest.approx(far, rel=1e-4)
